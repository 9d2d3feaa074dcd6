"""Microphone and speakers, with a scripted PortAudio in place of the real one."""

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from antiphon.cli import devices
from tests.fakes.portaudio import PortAudioError, Stream, install


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return install(monkeypatch)


def _on_another_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_samples_are_played_in_order_and_silence_after_them(
    portaudio: ModuleType,
) -> None:
    playout = devices.Playout(24_000)
    with devices.speakers(playout, "3"):
        stream = Stream.opened[0]
        assert stream.running
        assert stream.options["samplerate"] == 24_000
        assert stream.options["device"] == 3
        playout.feed(b"abcd")
        playout.feed(b"ef")
        out = bytearray(16)
        _on_another_thread(lambda: stream.callback(out, 8, None, None))
        assert out == b"abcdef" + bytes(10)
    assert not stream.running


async def test_played_waits_for_the_last_sample() -> None:
    playout = devices.Playout(24_000)
    await playout.played()
    playout.feed(b"abcd")
    _on_another_thread(lambda: playout.pull(4) and None)
    await playout.played()


async def test_flushing_forgets_what_was_not_played() -> None:
    playout = devices.Playout(24_000)
    playout.feed(b"abcdef")
    assert playout.pull(2) == b"ab"
    playout.flush()
    assert playout.pull(4) == bytes(4)
    await playout.played()


async def test_a_ducked_playout_plays_at_a_fifth_and_then_as_loud_as_before() -> None:
    playout = devices.Playout(8_000)
    second = np.full(8_000, 10_000, "<i2")
    for ducked, loudness in ((False, 10_000), (True, 2_000), (False, 10_000)):
        playout.duck(ducked)
        playout.feed(second.tobytes())
        heard = np.frombuffer(playout.pull(16_000), "<i2")
        assert set(heard[80:].tolist()) == {loudness}


async def test_playout_is_bounded() -> None:
    playout = devices.Playout(8_000)
    most = int(devices.PLAYOUT_SECONDS * 8_000 * 2)
    playout.feed(bytes([1]) * (most - 1))
    playout.feed(bytes([1]) * 100)
    assert playout.pull(most + 100).count(1) == most


async def test_the_microphone_is_heard_frame_by_frame(portaudio: ModuleType) -> None:
    microphone = devices.Microphone()
    with devices.listening(microphone, None):
        stream = Stream.opened[0]
        assert stream.options["samplerate"] == 16_000
        assert stream.options["blocksize"] == 640
        for frame in (b"one", b"two"):
            _on_another_thread(lambda f=frame: stream.callback(f, 640, None, None))
        heard = aiter(microphone)
        assert [await anext(heard), await anext(heard)] == [b"one", b"two"]


async def test_a_slow_listener_loses_the_oldest_frames() -> None:
    microphone = devices.Microphone()
    frames = [str(i).encode() for i in range(devices.WAITING_FRAMES + 3)]
    for frame in frames:
        microphone.hear(frame)
    heard = aiter(microphone)
    got = [await anext(heard) for _ in range(devices.WAITING_FRAMES)]
    assert got == frames[3:]
    assert microphone.dropped == 3


async def test_without_a_device_the_message_says_how_to_list_them(
    portaudio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(portaudio, "RawOutputStream", refuse)
    with (
        pytest.raises(devices.NoDevice, match=r"querying device.*-m sounddevice"),
        devices.speakers(devices.Playout(24_000), None),
    ):
        pass


async def test_without_portaudio_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with (
        pytest.raises(devices.NoDevice, match="apt install libportaudio2"),
        devices.listening(devices.Microphone(), None),
    ):
        pass
