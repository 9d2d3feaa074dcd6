"""What is true: what the microphone sent, which words are in it, and what the scripted stages did."""

from dataclasses import dataclass, field

import numpy as np

from antiphon.v1 import llm_pb2
from antiphon.v1.stage_pb2 import TurnRef
from tests.simulator.sounds import RATE
from tests.simulator.voices import SpokenWord

_BYTES = 2 * RATE
_RECENT = 90
"""Seconds of audio in which an utterance is looked for; none is older."""


@dataclass
class Air:
    """All that one conversation's microphone sent.

    Attributes:
        sent: 16-bit PCM. No two stretches of it are the same, because of the noise in it.
        words: spoken by the user, in seconds since its first sample.
    """

    sent: bytearray = field(default_factory=bytearray)
    words: list[SpokenWord] = field(default_factory=list)

    def find(self, samples: bytes) -> float:
        """Where these samples were, in seconds.

        Raises:
            LookupError: they were never sent.
        """
        start = max(0, len(self.sent) - _RECENT * _BYTES)
        found = self.sent.find(samples, start)
        if found < 0:
            raise LookupError(f"{len(samples)} bytes that no microphone sent")
        return found / _BYTES

    def between(self, start: float, end: float) -> list[SpokenWord]:
        """Words whose middle is heard from ``start`` to ``end``."""
        return [
            word for word in self.words if start < (word.start + word.end) / 2 <= end
        ]


@dataclass
class Synthesis:
    """One reply that the voice was asked for.

    Attributes:
        id: heard in its samples.
        turn: whom it was for.
        text: asked for so far.
        marks: characters spoken, and by when in the reply's audio.
        cancelled_at: when the call was cancelled, on the loop's clock; None where it was not.
    """

    id: int
    turn: TurnRef
    text: str = ""
    marks: list[tuple[int, float]] = field(default_factory=list)
    cancelled_at: float | None = None

    @property
    def seconds(self) -> float:
        """Of audio made so far."""
        return self.marks[-1][1] if self.marks else 0.0

    def words_by(self, position: float) -> list[str]:
        """What is spoken by a position of its audio."""
        characters = [count for count, at in self.marks if at <= position + 1e-3]
        return self.text[: characters[-1] if characters else 0].split()


@dataclass
class World:
    """What all conversations of a run share.

    Attributes:
        reply: what the model says to the next prompt.
        airs: by conversation.
        prompts: every one received, in order.
        syntheses: by what is heard in their samples.
        cancelled: RPCs that were cancelled, by name.
    """

    reply: str = ""
    airs: dict[str, Air] = field(default_factory=dict)
    prompts: list[llm_pb2.GenerateRequest] = field(default_factory=list)
    syntheses: dict[int, Synthesis] = field(default_factory=dict)
    cancelled: dict[str, int] = field(default_factory=dict)

    def asks_for_speech(self, turn: TurnRef) -> Synthesis:
        """Another reply begins to be spoken."""
        made = Synthesis(len(self.syntheses) + 1, turn)
        self.syntheses[made.id] = made
        return made

    def note_cancelled(self, name: str) -> None:
        """A call was cancelled."""
        self.cancelled[name] = self.cancelled.get(name, 0) + 1


def heard_in(samples: bytes) -> set[int]:
    """Of which syntheses there is something in a reply's samples."""
    return {int(value) for value in np.unique(np.frombuffer(samples, "<i2"))}
