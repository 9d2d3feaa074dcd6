"""Transcripts put together: an utterance in several parts, and what of a growing one is not going to change."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from services.stt.engines import AUTO, UNDETERMINED, Transcript

SPACELESS = frozenset({"ja", "km", "lo", "my", "th", "yue", "zh"})
"""Languages written without spaces between words."""


@dataclass(frozen=True, slots=True)
class Part:
    """The transcript of one stretch of an utterance.

    Attributes:
        start: of the stretch, in seconds on the utterance's audio clock.
        transcript: its times count from ``start``.
    """

    start: float
    transcript: Transcript


def join(parts: Sequence[Part], language: str) -> Transcript:
    """One transcript of consecutive parts.

    Its language is that of the part with the most text, its confidence the mean over the text's characters.

    Args:
        parts: in order.
        language: what was asked for: the language of a transcript without words, unless it is "auto".
    """
    spoken = [part for part in parts if part.transcript.text]
    if not spoken:
        return Transcript("", (), UNDETERMINED if language == AUTO else language, 0.0)
    longest = max(spoken, key=lambda part: len(part.transcript.text)).transcript
    words = tuple(
        replace(word, start=word.start + part.start, end=word.end + part.start)
        for part in spoken
        for word in part.transcript.words
    )
    characters = sum(len(part.transcript.text) for part in spoken)
    confidence = sum(
        part.transcript.confidence * len(part.transcript.text) for part in spoken
    )
    separator = "" if longest.language in SPACELESS else " "
    return Transcript(
        separator.join(part.transcript.text for part in spoken),
        words,
        longest.language,
        confidence / characters,
    )


def stable_characters(previous: str, current: Transcript) -> int:
    """How much of a hypothesis is not expected to change: the words on which it agrees with the one before.

    Args:
        previous: the text of the hypothesis before.
        current: the hypothesis.

    Returns:
        Characters at the beginning of its text.
    """
    unit = r"." if current.language in SPACELESS else r"\S+\s*"
    pairs = zip(
        re.findall(unit, previous), re.findall(unit, current.text), strict=False
    )
    agreed = takewhile(lambda pair: pair[0].rstrip() == pair[1].rstrip(), pairs)
    return len("".join(word for _, word in agreed).rstrip())
