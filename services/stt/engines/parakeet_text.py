"""Parakeet's languages, and how its tokens become a transcript. No model in here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.stt.engines import AUTO, Transcript
from services.stt.engines.words import TimedPiece, to_words

_ENGLISH = ("en",)
_EUROPEAN = (
    *("bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it"),
    *("lv", "lt", "mt", "pl", "pt", "ro", "sk", "sl", "es", "sv", "ru", "uk"),
)

_LANGUAGES = {
    "parakeet-tdt-0.6b-v3": (AUTO, *_EUROPEAN),
    "parakeet-tdt-0.6b-v2": _ENGLISH,
    "parakeet-tdt-1.1b": _ENGLISH,
    "parakeet-tdt_ctc": _ENGLISH,
    "parakeet-rnnt": _ENGLISH,
    "parakeet-unified-en": _ENGLISH,
    "nemotron-speech-streaming-en": _ENGLISH,
}
"""By what a model's name contains, from the model cards; archives do not say it."""

_CONTROL = re.compile("<.*>")
"""Tokens that are no text: unknown, end of utterance and the like."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token that was heard.

    Attributes:
        piece: as the tokenizer spells it, with "▁" where a word begins.
        start: seconds from the utterance's first sample.
        end: seconds.
        chance: the probability that the network gave it.
    """

    piece: str
    start: float
    end: float
    chance: float


def languages_of(model: str) -> tuple[str, ...]:
    """The languages that a model was trained on, "auto" first where it finds out by itself which it hears.

    Of a model that nobody knows, only "auto" can be said.

    Args:
        model: its name, or one that contains it.
    """
    for name, languages in _LANGUAGES.items():
        if name in model:
            return languages
    return (AUTO,)


def to_transcript(
    tokens: Sequence[Token], seconds: float, silence: Transcript
) -> Transcript:
    """The transcript of an utterance.

    Args:
        tokens: that were heard, in order.
        seconds: length of the utterance.
        silence: the transcript if no word was heard; its language stays.
    """
    pieces = [
        TimedPiece(_spelled(token.piece), token.start, token.end, token.chance)
        for token in tokens
        if not _CONTROL.fullmatch(token.piece)
    ]
    if all(piece.bare for piece in pieces):
        return silence
    words = to_words(pieces, seconds, spaced=True)
    chance = sum(piece.chance for piece in pieces) / len(pieces)
    text = " ".join(word.text for word in words)
    return Transcript(text, words, silence.language, chance)


def _spelled(piece: str) -> str:
    text = piece.replace("▁", " ")
    # A mark belongs to the word before it, also where the tokenizer has a space before it.
    return text if not text.strip() or any(map(str.isalnum, text)) else text.strip()
