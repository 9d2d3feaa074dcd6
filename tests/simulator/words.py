"""Words as a recogniser writes them, and as they are compared."""

import re
from collections.abc import Sequence

from tests.simulator.voices import SpokenWord

_ENDS = (".", "?", "!")
_QUESTIONS = "what which who why when where how can could is are do does"
_ASKING = frozenset(_QUESTIONS.split())
_CONNECTIVES = "a the to at be that for from when because if and so then of"
_LEADING_ON = frozenset(_CONNECTIVES.split())

FILLERS = frozenset({"um", "uh", "er", "hmm"})
"""What Whisper leaves out."""


def transcript(words: Sequence[SpokenWord]) -> str:
    """Words as Whisper (tiny.en) writes them.

    A capital first; fillers left out. What was cut off gets a question mark if it began as a question and a full stop
    if not, unless its last word leads on: then it gets nothing. So it did at 30 of 39 pauses of this script.
    """
    said = [word.text for word in words if bare(word.text) not in FILLERS]
    if not said:
        return ""
    text = " ".join(said).rstrip(",;:")
    if not text.endswith(_ENDS) and bare(said[-1]) not in _LEADING_ON:
        over = [i for i, word in enumerate(said, 1) if word.endswith(_ENDS)]
        text += "?" if bare(said[over[-1] if over else 0]) in _ASKING else "."
    return text[0].upper() + text[1:]


def bare(word: str) -> str:
    """A word without case and punctuation."""
    return re.sub(r"[^\w']", "", word.lower())
