"""A microphone that plays recordings into a conversation in real time, silence between them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import soundfile

RATE = 16_000
ASSETS = Path(__file__).parents[1] / "assets"
QUESTIONS = sorted((ASSETS / "questions").glob("*.flac"))
SPEECH = ASSETS / "jfk.wav"

_LOUD = 0.03
"""Of the loudest 20 ms; what is quieter at the end of a recording is no speech."""


@dataclass(frozen=True)
class Recording:
    """Something said.

    Attributes:
        name: for people.
        samples: 16-bit mono PCM at `RATE`.
        speech_end: seconds to the end of its last sound.
    """

    name: str
    samples: bytes
    speech_end: float


def recording(path: Path, start: float = 0.0, end: float | None = None) -> Recording:
    """A file, or a stretch of it in seconds."""
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE, path
    samples = samples[round(start * RATE) : None if end is None else round(end * RATE)]
    step = RATE // 50
    frames = samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64)
    loudness = np.sqrt((frames**2).mean(axis=1))
    last = int(np.nonzero(loudness > _LOUD * loudness.max())[0][-1])
    return Recording(
        f"{path.stem}@{start:g}", samples.tobytes(), (last + 1) * step / RATE
    )


class Listener(Protocol):
    """Takes what a microphone hears."""

    async def send_audio(self, samples: bytes) -> None:
        """The next samples, 16-bit mono PCM at `RATE`."""


class Microphone:
    """Sends a frame whenever its last sample would have been captured.

    Args:
        listener: where to; a conversation of our own client is one.
        frame: seconds of audio in a message.
    """

    def __init__(self, listener: Listener, frame: float = 0.04) -> None:
        self._listener = listener
        self._frame = round(frame * RATE) * 2
        self._waiting = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self._sent = 0
        self.frames = 0

    async def __aenter__(self) -> Self:
        self._began = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def say(self, said: Recording) -> float:
        """Speak from now on; returns when the speech will end, on the loop's clock."""
        start = self._sent + len(self._waiting)
        self._waiting += said.samples
        return self._began + start / (2 * RATE) + said.speech_end

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = self._began + (self._sent + self._frame) / (2 * RATE)
            await asyncio.sleep(due - loop.time())
            frame = bytes(self._waiting[: self._frame])
            del self._waiting[: self._frame]
            await self._listener.send_audio(frame.ljust(self._frame, b"\0"))
            self._sent += self._frame
            self.frames += 1
