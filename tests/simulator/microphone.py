"""What the user says and the room they say it in, on its way to the gateway."""

import asyncio
from typing import Self

import numpy as np

from antiphon.client import Conversation
from tests.simulator.sounds import RATE, floor
from tests.simulator.voices import Clip
from tests.simulator.world import Air

FRAME = 0.04
"""Seconds of audio in a message."""

STRIDE = 2_560
"""Samples; a clip begins at a multiple of them, so that frames and the windows of voice activity (512 samples) always
divide it alike: what is said sounds the same in every run."""

LEAD_IN = 0.5
"""Seconds for which a microphone is on before anybody speaks."""


class Microphone:
    """Sends a frame whenever its last sample would have been captured, noise and all.

    Args:
        conversation: where to.
        air: keeps what is sent, and which words are in it.
        seed: of the noise.
    """

    def __init__(self, conversation: Conversation, air: Air, seed: int) -> None:
        self._conversation = conversation
        self._air = air
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._starts: list[int] = []
        self._coming = np.zeros(round(LEAD_IN * RATE), np.float32)
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self._sent = 0

    async def __aenter__(self) -> Self:
        self._began = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def play(self, clip: Clip) -> float:
        """Let a clip be heard from now on, behind what is to be heard yet; returns when, on the loop's clock."""
        silence = np.zeros(-(self._sent + len(self._coming)) % STRIDE, np.float32)
        self._starts.append(self._sent + len(self._coming) + len(silence))
        self._coming = np.concatenate((self._coming, silence, clip.samples))
        start = self._starts[-1] / RATE
        self._air.words += [word.moved(start) for word in clip.words]
        return self._began + start

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        count = round(FRAME * RATE)
        while True:
            await asyncio.sleep(self._began + (self._sent + count) / RATE - loop.time())
            if self._sent in self._starts:
                # Every clip has its own noise, whenever it is played.
                nth = self._starts.index(self._sent)
                self._random = np.random.default_rng((self._seed, nth))
            frame = floor(count, self._random)
            coming, self._coming = self._coming[:count], self._coming[count:]
            frame[: len(coming)] += coming
            pcm = (np.clip(frame, -1, 1) * 32767).astype("<i2").tobytes()
            self._sent += count
            self._air.sent += pcm
            await self._conversation.send_audio(pcm)
