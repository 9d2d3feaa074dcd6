"""How a model's tokens become words with times. No model in here."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.stt.engines import Word


@dataclass(frozen=True, slots=True)
class TimedPiece:
    """The characters of one or a few tokens.

    Attributes:
        text: with the space before it, if there is one.
        start: seconds.
        end: seconds.
        chance: mean probability of its tokens.
    """

    text: str
    start: float
    end: float
    chance: float

    @property
    def bare(self) -> bool:
        """Whether it is punctuation only."""
        return not any(character.isalnum() for character in self.text)


def to_words(
    pieces: Sequence[TimedPiece], seconds: float, spaced: bool
) -> tuple[Word, ...]:
    """Words of a text; joined again (by spaces, where the language has them) they are the text.

    Times rise and stay inside the utterance. Punctuation belongs to the word that it touches, but not to its time:
    the decoder spreads it over the pause that follows.

    Args:
        pieces: in order.
        seconds: length of the utterance.
        spaced: whether the language writes spaces between words.
    """
    groups: list[list[TimedPiece]] = []
    for piece in pieces:
        begins = piece.text.startswith(" ") if spaced else not piece.bare
        lonely = bool(groups) and not "".join(each.text for each in groups[-1]).strip()
        if not groups or (begins and not lonely):
            groups.append([piece])
        else:
            groups[-1].append(piece)
    words: list[Word] = []
    clock = 0.0
    for group in groups:
        text = "".join(piece.text for piece in group).strip()
        if not text:
            continue
        spoken = [piece for piece in group if not piece.bare] or group
        start = min(max(spoken[0].start, clock), seconds)
        clock = min(max(spoken[-1].end, start), seconds)
        chance = sum(piece.chance for piece in spoken) / len(spoken)
        words.append(Word(text, start, clock, chance))
    return tuple(words)
