"""What a scripted user says and does in one turn, and what is true about it.

A turn is a list of actions. What is said before the assistant answers is one utterance, however many pauses it has;
it is over when its last word is. What has an ``after`` happens into the answer, counted from its first sound.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Sound(Enum):
    """What is heard of a room."""

    COUGH = "cough"
    HUM = "hum"
    DOOR = "door"
    KEYBOARD = "keyboard"


@dataclass(frozen=True, slots=True)
class Say:
    """Words; pieces up to a full stop are one sentence, spoken in one breath and cut where the pieces end."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence in which the user is not done.

    Attributes:
        seconds: of it.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Noise:
    """Something that is no voice.

    Attributes:
        sound: what it is.
        seconds: of it.
        level: root mean square of its loudest tenth of a second, in dBFS; speech is at -24.
        after: seconds of the answer heard; None: in the user's own utterance, beside what is said next.
    """

    sound: Sound
    seconds: float
    level: float = -30.0
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Backchannel:
    """A sign of listening: "mm-hmm", "yeah"; the assistant is to go on.

    Attributes:
        text: what is said.
        after: seconds of the answer heard.
    """

    text: str
    after: float


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Words that the assistant is to stop for; what is said next belongs to them.

    Attributes:
        text: what is said.
        after: seconds of the answer heard.
    """

    text: str
    after: float


Spoken = Say | Pause | Noise
Reaction = Backchannel | Noise
Action = Say | Pause | Noise | Backchannel | Interrupt

USUAL_REPLY = "It is quite simple, really."
LONG_REPLY = (
    "There is a lot to tell, so let me begin at the beginning, "
    "and stop me whenever you have heard enough of it, for I could go on."
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the script.

    Attributes:
        id: unique.
        group: what it is an example of.
        actions: in order.
        voice: who speaks, see `voices`.
        reply: what the model says to it, where it is scripted.
    """

    id: str
    group: str
    actions: tuple[Action, ...]
    voice: str = "joe"
    reply: str = USUAL_REPLY


@dataclass(frozen=True, slots=True)
class Phase:
    """One utterance that deserves an answer, and what happens into that answer.

    Attributes:
        after: seconds into the answer before at which it begins; None for the first one.
        utterance: what is said.
        reactions: to the answer, in order.
    """

    after: float | None
    utterance: tuple[Spoken, ...]
    reactions: tuple[Reaction, ...]

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(part.text for part in self.utterance if isinstance(part, Say))


def phases(turn: Turn) -> Iterator[Phase]:
    """The turn, cut where the user takes the floor."""
    after: float | None = None
    utterance: list[Spoken] = []
    reactions: list[Reaction] = []
    for action in turn.actions:
        match action:
            case Interrupt():
                yield Phase(after, tuple(utterance), tuple(reactions))
                after, utterance, reactions = action.after, [Say(action.text)], []
            case Backchannel():
                reactions.append(action)
            case Noise() if action.after is not None:
                reactions.append(action)
            case Say() | Pause() | Noise():
                utterance.append(action)
    yield Phase(after, tuple(utterance), tuple(reactions))
