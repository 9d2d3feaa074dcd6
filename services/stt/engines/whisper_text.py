"""What Whisper's text and the times of its words are checked for. No model in here."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.stt.engines import Word

_LOOP = re.compile(r"(?<!\S)(\S.{0,79}?)(?:\s+\1){2,}(?!\S)")
_RUN = re.compile(r"(.{4,80}?)\1{2,}")
_ALL_TWICE = re.compile(r"(\S.*?)\s+\1")
_PAUSE_SECONDS = 0.2


def is_suspicious(text: str) -> bool:
    """Whether a text looks like a decoder that went round in circles.

    That is: something said three times running, or nothing but one thing said twice. People do say "no, no, no"; the
    answer is a second, costlier decode, not another text.
    """
    plain = _plain(text)
    return bool(_LOOP.search(plain) or _ALL_TWICE.fullmatch(plain))


def collapse_loop(text: str) -> str:
    """The text with whatever is said three times running said once, in any script."""
    return _RUN.sub(r"\1", text).strip()


def trim(
    words: Sequence[Word], loud: NDArray[np.bool_], frame_seconds: float
) -> tuple[Word, ...]:
    """The words without the pauses that the aligner counts to them.

    Attention jumps from word to word: a pause falls to the word before or after it, up to seconds of it, and with it
    the last sound of the other word. Of a word that pauses of 0.2 s or more divide, the longest piece is kept: stops
    inside a word are shorter.

    Args:
        words: in order.
        loud: ``bool [frames]``, whether a frame of the utterance is above its silence.
        frame_seconds: length of a frame.
    """
    pause = round(_PAUSE_SECONDS / frame_seconds)
    trimmed = []
    for word in words:
        first, last = round(word.start / frame_seconds), round(word.end / frame_seconds)
        inside = first + np.flatnonzero(loud[first:last])
        if len(inside):
            divided = np.split(inside, np.flatnonzero(np.diff(inside) > pause) + 1)
            longest = max(divided, key=len)
            start = max(word.start, float(longest[0]) * frame_seconds)
            end = min(word.end, float(longest[-1] + 1) * frame_seconds)
            word = replace(word, start=start, end=max(start, end))
        trimmed.append(word)
    return tuple(trimmed)


def _plain(text: str) -> str:
    kept = (character if character.isalnum() else " " for character in text.lower())
    return " ".join("".join(kept).split())
