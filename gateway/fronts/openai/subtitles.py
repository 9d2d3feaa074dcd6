"""Transcripts with times: segments short enough to be read, and subtitles made of them."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.conversation.values import Word
from gateway.dictation import Passage

_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")
_ABBREVIATION = 3
"""Characters, with its dot, of a word that may be an abbreviation: ``Mr.``"""

_BREATH = 0.2
"""Seconds behind such a word that make it the end of a sentence after all."""

_LONGEST = 7.0
"""Seconds that a subtitle stays, at most: more than two full lines nobody reads at once."""

_PAUSE = 0.7
"""Seconds between two words that belong to different subtitles."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence, or a part of a long one.

    Attributes:
        start: seconds from the recording's first sample.
        end: likewise.
        text: what was said.
        confidence: 0 to 1; 0 where the recognizer gives none.
    """

    start: float
    end: float
    text: str
    confidence: float


def segments(passages: Iterable[Passage]) -> list[Segment]:
    """Passages, divided at sentences and pauses; a passage whose words have no times stays whole."""
    found: list[Segment] = []
    for passage in passages:
        transcript = passage.transcript
        if transcript.words:
            position = 0
            for words in _divided(transcript.words):
                text, position = _text(words, transcript.text, position)
                found.append(_segment(words, text))
        elif transcript.text:
            found.append(
                Segment(
                    passage.start, passage.end, transcript.text, transcript.confidence
                )
            )
    return found


def to_verbose(number: int, segment: Segment) -> dict[str, Any]:
    """A segment as Whisper's users know it.

    Tokens, the temperature and the probability of silence are Whisper's own; they stay at what a good segment has.
    The compression ratio is what it is there: bytes of text by bytes after zlib.
    """
    text = segment.text.encode()
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": math.log(segment.confidence) if segment.confidence > 0 else 0.0,
        "compression_ratio": len(text) / len(zlib.compress(text)),
        "no_speech_prob": 0.0,
    }


def to_srt(found: Iterable[Segment]) -> str:
    """SubRip."""
    return "".join(
        f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{segment.text}\n\n"
        for number, segment in enumerate(found, 1)
    )


def to_vtt(found: Iterable[Segment]) -> str:
    """WebVTT; an arrow in a text would be read as a time."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{_escaped(segment.text)}\n\n"
        for segment in found
    )


def _divided(words: tuple[Word, ...]) -> list[list[Word]]:
    divided: list[list[Word]] = [[]]
    for word in words:
        last = divided[-1]
        if last and (
            _ends_sentence(last[-1], word)
            or word.start - last[-1].end >= _PAUSE
            or word.end - last[0].start > _LONGEST
        ):
            divided.append([])
        divided[-1].append(word)
    return divided


def _ends_sentence(word: Word, following: Word) -> bool:
    if word.text.endswith(".") and len(word.text) <= _ABBREVIATION:
        return following.start - word.end >= _BREATH
    return word.text.endswith(_SENTENCE_ENDS)


def _text(words: list[Word], whole: str, position: int) -> tuple[str, int]:
    """Words as they stand in the transcript from a position on, and where the next ones do: not all scripts have spaces."""
    first, end = None, position
    for word in words:
        start = whole.find(word.text, end)
        if start < 0:
            return " ".join(word.text for word in words), position
        first = start if first is None else first
        end = start + len(word.text)
    return whole[first:end], end


def _segment(words: list[Word], text: str) -> Segment:
    return Segment(
        words[0].start,
        words[-1].end,
        text,
        sum(word.confidence for word in words) / len(words),
    )


def _clock(seconds: float, point: str) -> str:
    """As in ``01:02:03,004``."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")
