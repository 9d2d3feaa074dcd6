"""Speech whose samples say what is said, and a recognizer's ear for it: so a transcript is what was really sent."""

import numpy as np

from tests.fakes.hearing import RATE

LETTER = RATE // 25
"""Samples of a character: 40 ms."""

_LOUD = 8192
_NOISE = 24_576


def saying(text: str) -> bytes:
    """Speech, as 16-bit PCM at 16 kHz."""
    values = np.array([_LOUD + ord(character) for character in text], "<i2")
    return np.repeat(values, LETTER).tobytes()


def noise(seconds: float) -> bytes:
    """As loud as speech, and no words."""
    return np.full(round(seconds * RATE), _NOISE, "<i2").tobytes()


def said_in(samples: bytes) -> str:
    """What is said in a stretch of such audio; of a character that is cut, less than half is not heard."""
    pcm = np.frombuffer(samples, "<i2")
    starts = np.flatnonzero(np.diff(pcm, prepend=0))
    lengths = np.diff(starts, append=len(pcm))
    return "".join(
        chr(int(pcm[start]) - _LOUD) * round(length / LETTER)
        for start, length in zip(starts, lengths, strict=True)
        if _LOUD < pcm[start] < _NOISE
    ).strip()
