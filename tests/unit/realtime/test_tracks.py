"""The two tracks of a call: what comes is decoded in time, what goes is told as it really goes."""

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from gateway.fronts.realtime import opus, tracks
from gateway.fronts.realtime.tracks import IncomingAudio, OutgoingTrack
from services.runtime.errors import TooMuch
from tests.fakes.hearing import RATE


def tone(seconds: float, rate: int = opus.RATE) -> bytes:
    times = np.arange(round(seconds * rate)) / rate
    return (np.sin(times * 440 * 2 * np.pi) * 16_000).astype("<i2").tobytes()


def packets(seconds: float) -> list[RtpPacket]:
    """A tone as a client sends it."""
    encoder = opus.Encoder()
    sent = []
    frames = np.frombuffer(tone(seconds), "<i2").reshape(-1, opus.FRAME)
    for number, frame in enumerate(frames):
        packet = RtpPacket(sequence_number=number, timestamp=number * 960)
        packet.payload = encoder.encode(frame)
        sent.append(packet)
    return sent


class Told:
    """What a track tells, and why it gives up."""

    def __init__(self) -> None:
        self.playing: list[bool] = []
        self.failures: list[BaseException] = []


@pytest.fixture
def told() -> Told:
    return Told()


# --- what comes -------------------------------------------------------------------------------------------


async def test_packets_are_heard_at_16_khz(told: Told) -> None:
    incoming = IncomingAudio(told.failures.append)
    for packet in packets(1.0):
        assert incoming.add(packet) == (False, None)
    samples, _ = await incoming.next()
    incoming.close()
    heard = np.frombuffer(samples, "<i2")
    assert len(heard) / RATE == pytest.approx(1.0, abs=0.005)
    spectrum = np.abs(np.fft.rfft(heard[: RATE // 2]))
    assert np.argmax(spectrum) * 2 == 440


async def test_silence_goes_on_where_no_packets_come(told: Told) -> None:
    incoming = IncomingAudio(told.failures.append)
    incoming.add(packets(0.02)[0])
    heard = len((await incoming.next())[0])
    while heard < 2 * RATE * 0.3:
        heard += len((await incoming.next())[0])
    incoming.close()
    assert not told.failures


async def test_nobody_speaks_faster_than_time_goes_by(told: Told) -> None:
    incoming = IncomingAudio(told.failures.append)
    for packet in packets(2 * tracks.BURST):
        incoming.add(packet)
    samples, _ = await incoming.next()
    incoming.close()
    assert tracks.BURST <= len(samples) / 2 / RATE < tracks.BURST * 1.5


async def test_audio_that_nobody_listens_to_is_given_up(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "LONGEST_UNHEARD", 1.0)
    incoming = IncomingAudio(told.failures.append)
    for packet in packets(1.5):
        incoming.add(packet)
    incoming.close()
    assert isinstance(told.failures[0], TooMuch)


# --- what goes --------------------------------------------------------------------------------------------


async def test_silence_goes_out_frame_by_frame_and_costs_nothing(told: Told) -> None:
    track = OutgoingTrack(told.playing.append, told.failures.append)
    sent = [await track.recv() for _ in range(6)]
    assert [packet.pts for packet in sent] == [
        opus.FRAME * number for number in range(6)
    ]
    assert {bytes(packet) for packet in sent} == {opus.SILENCE}
    assert told.playing == []
    track.stop()


async def test_sound_is_told_when_it_begins_and_when_the_last_of_it_has_gone(
    told: Told,
) -> None:
    track = OutgoingTrack(told.playing.append, told.failures.append)
    await track.recv()
    track.play(tone(0.05))
    assert told.playing == []
    await track.recv()
    assert told.playing == [True]
    for _ in range(2):
        await track.recv()
    # A voice that stumbles for a moment has not ended.
    await track.recv()
    track.play(tone(0.02))
    await track.recv()
    assert told.playing == [True]
    for _ in range(tracks.RUN_DRY):
        assert told.playing == [True]
        await track.recv()
    assert told.playing == [True, False]
    track.stop()


async def test_sound_that_is_cut_does_not_end_by_itself(told: Told) -> None:
    track = OutgoingTrack(told.playing.append, told.failures.append)
    track.play(tone(1.0))
    await track.recv()
    track.stop_playing()
    decoder = opus.Decoder()
    frames = [decoder.decode(bytes(await track.recv())) for _ in range(7)]
    assert told.playing == [True]
    assert np.abs(frames[-1]).max() < 100
    track.play(tone(0.1))
    await track.recv()
    assert told.playing == [True, True]
    track.stop()


async def test_a_track_that_nobody_takes_from_is_given_up(told: Told) -> None:
    track = OutgoingTrack(told.playing.append, told.failures.append)
    track.play(tone(tracks.LONGEST_UNPLAYED - 1))
    assert not told.failures
    track.play(tone(2.0))
    assert isinstance(told.failures[0], TooMuch)


async def test_a_track_that_was_stopped_sends_nothing(told: Told) -> None:
    track = OutgoingTrack(told.playing.append, told.failures.append)
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()
