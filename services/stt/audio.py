"""An utterance's samples: as the model wants them, and how loud they were."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FRAME_SECONDS = 0.02
"""Levels are of stretches this long: several periods of the lowest voices, shorter than any sound of speech."""

_LEAST_DECIBELS = -120.0
_ABSOLUTE_SILENCE = -65.0
"""Decibels relative to full scale: speech 50 dB below a close microphone's."""


def to_float(samples: NDArray[np.int16]) -> Samples:
    """16-bit samples as ``float32`` in [-1, 1]."""
    return samples.astype(np.float32) / 32768.0


class Recording:
    """The samples of an utterance that may still be needed, and the level of each frame of it.

    Positions are in samples at the model's rate, from the utterance's first sample.

    Args:
        rate: Hz.

    Attributes:
        end: position after the last sample.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.end = 0
        self._frame = round(rate * FRAME_SECONDS)
        self._samples = np.zeros(rate * 4, np.float32)
        self._start = 0
        self._levels = np.zeros(1024, np.float32)
        self._measured = 0

    def add(self, samples: Samples) -> None:
        """Append ``float32 [samples]``."""
        used = self.end - self._start
        if used + len(samples) > len(self._samples):
            grown = np.zeros(2 * (used + len(samples)), np.float32)
            grown[:used] = self._samples[:used]
            self._samples = grown
        self._samples[used : used + len(samples)] = samples
        self.end += len(samples)
        self._measure()

    def cut(self, start: int, end: int) -> Samples:
        """A copy of ``[start, end)``; what was forgotten must not be asked for."""
        return self._samples[start - self._start : end - self._start].copy()

    def forget(self, before: int) -> None:
        """Free the samples before a position; their levels stay known. The frame being filled must not be cut."""
        used = self.end - self._start
        kept = self._samples[before - self._start : used].copy()
        self._samples = np.zeros(max(self.rate * 4, 2 * len(kept)), np.float32)
        self._samples[: len(kept)] = kept
        self._start = before

    def only_silence_after(self, position: int) -> bool:
        """Whether no speech followed a position.

        Silence is judged by the utterance itself, as `silence_below` says. One louder frame is enough to say no.
        Frames that begin before the position and the frame still being filled are not judged: 40 ms hold no word.
        """
        first = -(-position // self._frame)
        after = self._levels[first : self._measured]
        return bool(np.all(after < self._silence_below(min(first, self._measured))))

    def quiet_seconds(self) -> float:
        """How long it has been silent now, judged as in `only_silence_after`; 0 before any speech."""
        levels = self._levels[: self._measured]
        loud = np.flatnonzero(levels >= self._silence_below(self._measured))
        return (
            (self._measured - 1 - int(loud[-1])) * FRAME_SECONDS if len(loud) else 0.0
        )

    def quietest(self, start: int, end: int) -> int:
        """The middle of the quietest 100 ms of ``[start, end)``, the latest of equals; on a frame's edge."""
        first, last = -(-start // self._frame), min(end // self._frame, self._measured)
        power = 10 ** (self._levels[first:last].astype(np.float64) / 10)
        smooth = np.convolve(power, np.ones(5) / 5, "valid")
        if not len(smooth):
            return min(last, first) * self._frame
        return (
            first + len(smooth) - 1 - int(np.argmin(smooth[::-1])) + 2
        ) * self._frame

    def _silence_below(self, frames: int) -> float:
        # Ten seconds tell a speaker and a room, and keep the cost the same however long the utterance grows.
        return silence_below(self._levels[max(0, frames - 500) : frames])

    def _measure(self) -> None:
        whole = self.end // self._frame
        if whole > len(self._levels):
            grown = np.zeros(2 * whole, np.float32)
            grown[: self._measured] = self._levels[: self._measured]
            self._levels = grown
        first = self._measured * self._frame - self._start
        frames = self._samples[first : whole * self._frame - self._start]
        self._levels[self._measured : whole] = levels(frames, self._frame)
        self._measured = whole


def levels(samples: Samples, frame: int) -> Samples:
    """Level of each whole frame.

    Args:
        samples: ``float32 [samples]`` in [-1, 1].
        frame: samples in a frame.

    Returns:
        ``float32 [frames]``, decibels relative to full scale.
    """
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    power = np.mean(np.square(frames), axis=1)
    floor = 10 ** (_LEAST_DECIBELS / 10)
    decibels: Samples = (10 * np.log10(np.maximum(power, floor))).astype(np.float32)
    return decibels


def silence_below(loudness: Samples) -> float:
    """The level below which a frame of an utterance is silent.

    With L the level of its speech (95th percentile of its frames) and N its noise floor (10th percentile), that is
    max(L - 30 dB, N + 8 dB), at most L - 12 dB, and -65 dBFS at the least. 30 dB is the span from vowels down to the
    weakest consonants that carry a word's end; 8 dB is how far a steady room rises above its own floor; where speech
    does not stand 12 dB above that floor, the two cannot be told apart, and hardly anything is called silence.

    Args:
        loudness: ``float32 [frames]``, decibels relative to full scale.

    Returns:
        Decibels relative to full scale.
    """
    if not len(loudness):
        return _ABSOLUTE_SILENCE
    floor, speech = np.percentile(loudness, (10, 95))
    relative = min(max(speech - 30.0, floor + 8.0), speech - 12.0)
    return float(max(relative, _ABSOLUTE_SILENCE))


def audible(samples: Samples, rate: int) -> bool:
    """Whether any frame is loud enough to be worth a decode.

    Args:
        samples: ``float32 [samples]`` in [-1, 1].
        rate: Hz.
    """
    loudness = levels(samples, round(rate * FRAME_SECONDS))
    return bool(len(loudness)) and float(loudness.max()) >= _ABSOLUTE_SILENCE
