"""When a pause is the end of a turn.

Nobody can tell for sure: a model that listens to the last words calls half of the pauses in the middle of a hard sentence
an end. So it has one vote, the end of the transcript has another, and the silence decides: the likelier the user
seems to be done, the less of it is needed.
"""

import math
import re

from gateway.conversation.values import Eagerness, Endpointing, Transcript, TurnTaking

WAITS = {
    Eagerness.LOW: (0.8, 4.0),
    Eagerness.MEDIUM: (0.5, 2.0),
    Eagerness.HIGH: (0.25, 1.0),
    Eagerness.AUTO: (0.5, 2.0),
}
"""Seconds of silence after words that sound finished, and unfinished, for sure; the contract promises them."""

_SURE = 0.02
"""Distance that the vote by sound keeps from certainty."""

# Log odds, fitted in round numbers to 146 pauses and ends of the simulator's script (docs/benchmarks.md).

_USUALLY = 0.5
"""Before anybody has voted: most pauses of that length are ends."""

_BY_SOUND = 0.3
"""Weight of the log odds by sound: what is sure of itself there is right two times in three."""

_ENDED = 1.0
"""For a full stop, a question mark or an exclamation mark at the end."""

_OPENED = -1.5
"""For a clause that wants another one, and nothing behind it."""

_BARE = -2.0
"""For no punctuation at the end: recognizers that punctuate leave it out on purpose."""

_BROKEN_OFF = -2.5
"""For a comma, a dash or dots at the end."""

_LEADS_ON = -3.0
"""For a last word that no sentence ends with."""

_LONGEST_CLAUSE = 8
"""Words; a longer sentence that begins with "if" holds its second clause."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*")

_NEVER_LAST = (
    "a an the my your his her its our their and or but because if while although though unless until than as of into "
    "onto during i'm you're we're they're it's that's there's i'd i'll i've you'll we'll gonna wanna um uh er erm hmm "
    "which whose very just maybe let's i we they he she"
)
_SELDOM_LAST = (
    "is are was were am be been will would could should can may might must shall do does did have has had to for from "
    "with without about at by between through against toward towards like who when that this"
)

_LEADING_ON = {"en": frozenset(_NEVER_LAST.split())}
"""Words by language that no sentence ends with; other languages go by punctuation alone."""

_ON_THE_WAY = {"en": frozenset(_SELDOM_LAST.split())}
"""Words by language that a sentence may end with ("I think it is.", "Where are you from?"), but most often does not."""

_OPENING = {
    "en": frozenset(
        (
            "if",
            "when",
            "because",
            "although",
            "while",
            "since",
            "unless",
            "before",
            "after",
        )
    )
}
"""Words by language with which a clause begins that wants another one."""


def likelihood(sound: float | None, transcript: Transcript | None) -> float | None:
    """How likely the user is done, 0 to 1; None where nobody has voted.

    Args:
        sound: by the sound of the last words; None where that could not be told.
        transcript: what was said so far; None while it is being made.
    """
    if sound is None and transcript is None:
        return None
    odds = _USUALLY
    if sound is not None:
        certain = min(1 - _SURE, max(_SURE, sound))
        odds += _BY_SOUND * math.log(certain / (1 - certain))
    if transcript is not None:
        odds += _ending(transcript)
    return 1 / (1 + math.exp(-odds))


def _ending(transcript: Transcript) -> float:
    """The vote of the transcript's last word and punctuation, as log odds."""
    text = transcript.text.rstrip(" \"'”’)")
    words = _WORD.findall(text)
    if not words:
        return 0.0
    language = (transcript.language or "en").split("-")[0].lower()
    last = words[-1].lower().replace("’", "'")
    # Before the punctuation: recognizers put a mark behind what was broken off, too.
    if last in _LEADING_ON.get(language, ()):
        return _LEADS_ON
    marked = text[-1] in "?!？！.。" and not text.endswith("...")
    if last in _ON_THE_WAY.get(language, ()):
        return 0.0 if marked else _LEADS_ON
    if text.endswith("...") or text[-1] in ",;:-–—…":
        return _BROKEN_OFF
    if text[-1] in "?!？！":
        return _ENDED
    if text[-1] not in ".。":
        return _BARE
    opened = words[0].lower() in _OPENING.get(language, ()) and "," not in text
    return _OPENED if opened and len(words) <= _LONGEST_CLAUSE else _ENDED


class Patience:
    """How long to wait for this user; follows them where the client asked for that (`Eagerness.AUTO`)."""

    CUT_OFF = 1.3
    SMOOTH = 0.97
    LEAST, MOST = 0.85, 1.75

    def __init__(self) -> None:
        self._factor = 1.0

    def cut_off(self) -> None:
        """They were answered before they were done."""
        self._factor = min(self.MOST, self._factor * self.CUT_OFF)

    def smooth(self) -> None:
        """They listened to the answer."""
        self._factor = max(self.LEAST, self._factor * self.SMOOTH)

    def longest(self, turns: TurnTaking) -> float:
        """Seconds of silence that end a turn whatever else is known."""
        match turns.endpointing:
            case Endpointing.PREDICTED:
                return turns.max_wait * self._of(turns)
            case Endpointing.SILENCE:
                return turns.silence
            case Endpointing.MANUAL:
                return math.inf

    def wait(self, turns: TurnTaking, likely: float | None) -> float:
        """Seconds of silence after which the turn may be decided.

        Args:
            turns: what the client chose.
            likely: how likely the user is done; None where nobody can tell (yet).
        """
        longest = self.longest(turns)
        if turns.endpointing is not Endpointing.PREDICTED or likely is None:
            return longest
        shortest = min(turns.min_wait * self._of(turns), longest)
        return math.exp(likely * math.log(shortest) + (1 - likely) * math.log(longest))

    def _of(self, turns: TurnTaking) -> float:
        return self._factor if turns.eagerness is Eagerness.AUTO else 1.0
