"""What a track plays, frame by frame: no clicks, and silence where there is nothing. Pure."""

from collections import deque

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

DUCKED = 0.2
"""Of the volume: 14 dB less, so that one who speaks into an answer hears that they are heard, and the answer too."""

DUCKING = 0.05
"""Seconds in which the volume goes all the way: quick, and no click."""

EDGE = 0.005
"""Seconds in which sound fades where it is cut, or where it runs out."""


class Playout:
    """Holds what is still to be played.

    Args:
        rate: of the samples, in Hz.

    Attributes:
        waiting: samples that are still to be played.
    """

    def __init__(self, rate: int) -> None:
        self.waiting = 0
        self._chunks: deque[Samples] = deque()
        self._edge = round(EDGE * rate)
        self._step = (1 - DUCKED) / (DUCKING * rate)
        self._volume = self._wanted = 1.0
        self._last = 0.0
        self._dry = True
        self._cut: Samples | None = None

    def put(self, samples: Samples) -> None:
        """More to be played, ``int16 [n]``."""
        if len(samples):
            self._chunks.append(samples)
            self.waiting += len(samples)

    def duck(self, ducked: bool) -> None:
        """Play quietly from now on, or as loud as it is."""
        self._wanted = DUCKED if ducked else 1.0

    def cut(self) -> None:
        """Drop what waits; the first of it fades out."""
        if self.waiting:
            self._cut = self._take(min(self._edge, self.waiting))
        self._chunks.clear()
        self.waiting = 0

    def next(self, count: int) -> Samples | None:
        """The next ``count`` samples; None where all of them are silence."""
        if self._dry and not self.waiting and self._cut is None:
            # Nobody hears how the volume changes.
            self._volume = self._wanted
            return None
        ending, self._cut = self._cut, None
        if ending is None:
            ending = np.zeros(0, np.int16)
        fresh = self._take(min(count - len(ending), self.waiting)).astype(np.float32)
        if self._dry or len(ending):
            rising = np.linspace(0, 1, self._edge, endpoint=False)[: len(fresh)]
            fresh[: len(rising)] *= rising
        falling = np.linspace(1, 0, len(ending))
        heard = np.concatenate((ending * falling, fresh)).astype(np.float32)
        heard *= self._volumes(len(heard))
        frame = np.zeros(count, np.float32)
        frame[: len(heard)] = heard
        if len(heard):
            self._last = float(heard[-1])
        self._dry = len(heard) < count
        if self._dry:
            # It ran out, maybe in the middle of a wave: that fades from where it was.
            rest = frame[len(heard) : len(heard) + self._edge]
            rest += self._last * np.linspace(1, 0, self._edge)[: len(rest)]
            self._last = 0.0
        return np.rint(frame).astype(np.int16)

    def _volumes(self, count: int) -> npt.NDArray[np.float32]:
        """The volume of the next samples, ``float32 [count]``."""
        way = self._wanted - self._volume
        if not way:
            return np.full(count, self._volume, np.float32)
        steps = np.minimum(np.arange(1, count + 1) * self._step, abs(way))
        volumes: npt.NDArray[np.float32] = np.float32(self._volume) + np.float32(
            np.sign(way)
        ) * steps.astype(np.float32)
        if count:
            self._volume = float(volumes[-1])
            if steps[-1] == abs(way):
                self._volume = self._wanted
        return volumes

    def _take(self, count: int) -> Samples:
        taken: list[Samples] = []
        self.waiting -= count
        while count:
            chunk = self._chunks.popleft()
            if len(chunk) > count:
                self._chunks.appendleft(chunk[count:])
                chunk = chunk[:count]
            taken.append(chunk)
            count -= len(chunk)
        return np.concatenate(taken) if taken else np.zeros(0, np.int16)
