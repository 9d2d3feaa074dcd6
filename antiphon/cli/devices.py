"""Microphone and speakers through PortAudio.

PortAudio calls back on a thread of its own. What crosses over goes through bounded buffers: too much microphone
drops its oldest frames, too much playout drops the newest.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from antiphon.cli.audio import FRAME_SECONDS, INPUT_RATE
from antiphon.cli.failures import CommandError
from antiphon.cli.volume import Volume
from services.runtime.units import PCM_BYTES

WAITING_FRAMES = 50
"""Frames of the microphone that may wait to be sent: two seconds."""
PLAYOUT_SECONDS = 60.0
"""Audio that may wait to be played; a gateway sends only a little ahead of real time."""


class NoDevice(CommandError):
    """There is nothing to hear or to play with; the message says what to do."""


class Playout:
    """Samples on their way to the speakers; fed on one thread, pulled on another."""

    def __init__(self, rate: int) -> None:
        """An empty one.

        Args:
            rate: samples a second of 16-bit mono, in Hz.
        """
        self.rate = rate
        self._most = round(rate * PLAYOUT_SECONDS) * PCM_BYTES
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._volume = Volume(rate)
        self._loop = asyncio.get_running_loop()
        self._played = asyncio.Event()
        self._played.set()

    def feed(self, samples: bytes) -> None:
        """Play these after those that wait already."""
        with self._lock:
            self._waiting += samples[: self._most - len(self._waiting)]
            if self._waiting:
                self._played.clear()

    def duck(self, ducked: bool) -> None:
        """From now on play quietly, or as loud as ever."""
        with self._lock:
            self._volume.duck(ducked)

    def flush(self) -> None:
        """Forget what has not been played."""
        with self._lock:
            self._waiting.clear()
        self._played.set()

    def pull(self, size: int) -> bytes:
        """The next ``size`` bytes, filled up with silence. Called by the device's thread."""
        with self._lock:
            samples = bytes(self._waiting[:size])
            del self._waiting[:size]
            last = bool(samples) and not self._waiting
            played = self._volume.apply(samples + bytes(size - len(samples)))
        if last:
            self._loop.call_soon_threadsafe(self._check)
        return played

    async def played(self) -> None:
        """Wait until nothing is left."""
        await self._played.wait()

    def _check(self) -> None:
        with self._lock:
            if not self._waiting:
                self._played.set()


class Microphone:
    """Frames as they are heard; iterate over it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(WAITING_FRAMES)
        self.dropped = 0

    def hear(self, frame: bytes) -> None:
        """Take a frame. Called by the device's thread."""
        self._loop.call_soon_threadsafe(self._offer, frame)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """16-bit mono frames at `INPUT_RATE`, for ever."""
        while True:
            yield await self._frames.get()

    def _offer(self, frame: bytes) -> None:
        if self._frames.full():
            self._frames.get_nowait()
            self.dropped += 1
        self._frames.put_nowait(frame)


@contextmanager
def speakers(playout: Playout, device: str | None) -> Iterator[None]:
    """Play what the playout holds as long as the block runs.

    Args:
        playout: where samples come from.
        device: a number or a part of the name; None: the system's choice.

    Raises:
        NoDevice: there is none, or it cannot play.
    """

    def callback(out: Any, count: int, _time: Any, _status: Any) -> None:
        out[:] = playout.pull(count * PCM_BYTES)

    with _stream("RawOutputStream", playout.rate, device, callback):
        yield


@contextmanager
def listening(microphone: Microphone, device: str | None) -> Iterator[None]:
    """Hear with a microphone as long as the block runs.

    Args:
        microphone: where frames go.
        device: a number or a part of the name; None: the system's choice.

    Raises:
        NoDevice: there is none, or it cannot record.
    """

    def callback(heard: Any, _count: int, _time: Any, _status: Any) -> None:
        microphone.hear(bytes(heard))

    with _stream("RawInputStream", INPUT_RATE, device, callback):
        yield


@contextmanager
def _stream(kind: str, rate: int, device: str | None, callback: Any) -> Iterator[None]:
    sounddevice = portaudio()
    try:
        stream = getattr(sounddevice, kind)(
            samplerate=rate,
            blocksize=round(rate * FRAME_SECONDS),
            channels=1,
            dtype="int16",
            device=int(device) if device and device.isdigit() else device,
            callback=callback,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise NoDevice(
            f"no usable sound device: {error}; `python -m sounddevice` lists what there is"
        ) from None
    try:
        yield
    finally:
        # To close it at once would cut off what the device has not played yet.
        stream.stop()
        stream.close()


def portaudio() -> ModuleType:
    """The library that reaches the devices.

    Raises:
        NoDevice: it is not installed.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise NoDevice(
            f"no sound: {error}. On Debian and Ubuntu: apt install libportaudio2"
        ) from None
    module: ModuleType = sounddevice
    return module
