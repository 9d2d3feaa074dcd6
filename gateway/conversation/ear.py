"""The ear of a conversation: from voice activity to the end of an utterance.

It knows nothing of answers. Each method returns what changed, and `machine.Conversation` decides what follows.
"""

from dataclasses import dataclass
from enum import Enum

from gateway.conversation.values import Policy, Ref


class Hears(Enum):
    """How far an utterance is."""

    SPEECH = "speech"
    POISED = "poised"


@dataclass(slots=True)
class Utterance:
    """One stretch of user speech that is being transcribed.

    Attributes:
        ref: the turn that it will become.
        start: position of its first voice.
        paused: position since which there is no voice; None while there is.
        hears: how far it is.
        checkpoints: how many were taken.
    """

    ref: Ref
    start: float
    paused: float | None = None
    hears: Hears = Hears.SPEECH
    checkpoints: int = 0


@dataclass(frozen=True, slots=True)
class Voice:
    """Speech that is not an utterance yet: it may be a cough into an answer.

    Attributes:
        start: position of its first voice.
    """

    start: float


class Ear:
    """Follows voice activity; positions are seconds on the input's audio clock.

    Attributes:
        utterance: what is being transcribed; None in silence.
        voice: speech under way that no utterance was opened for.
        heard: position up to which all audio has been listened to.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.utterance: Utterance | None = None
        self.voice: Voice | None = None
        self.heard = 0.0

    def began(self, at: float) -> bool:
        """Voice begins; returns whether a paused utterance goes on by it, past a checkpoint."""
        if self.utterance is None:
            self.voice = Voice(at)
            return False
        was_poised = self.utterance.hears is Hears.POISED
        self.utterance.paused = None
        self.utterance.hears = Hears.SPEECH
        return was_poised

    def paused(self, at: float) -> None:
        """Voice ends, perhaps for a moment."""
        self.voice = None
        if self.utterance is not None:
            self.utterance.paused = at

    def ignore(self) -> None:
        """Do not listen to the voice under way so far."""
        if self.voice is not None:
            self.voice = Voice(self.heard)

    def voiced(self) -> float:
        """Seconds of voice that no utterance was opened for."""
        return self.heard - self.voice.start if self.voice else 0.0

    def open(self, ref: Ref, start: float) -> Utterance:
        """Take the voice under way for an utterance that began at ``start``."""
        self.utterance = Utterance(ref, start)
        self.voice = None
        return self.utterance

    def soft_end(self) -> bool:
        """Whether the utterance has just become quiet for long enough to take a checkpoint."""
        utterance = self.utterance
        if (
            utterance is None
            or utterance.hears is not Hears.SPEECH
            or utterance.paused is None
        ):
            return False
        if self.heard - utterance.paused < self._policy.soft_end:
            return False
        utterance.hears = Hears.POISED
        utterance.checkpoints += 1
        return True

    def turn_end(self) -> bool:
        """Whether the utterance is over, by silence or by its length."""
        utterance = self.utterance
        if utterance is None:
            return False
        if self.heard - utterance.start >= self._policy.longest_utterance:
            return True
        silence = self._policy.silence
        return (
            silence is not None
            and utterance.paused is not None
            and self.heard - utterance.paused >= silence
        )

    def close(self) -> float:
        """Forget the utterance; returns the position where its speech ended.

        Voice that goes on is from here on somebody's next words.
        """
        utterance, self.utterance = self.utterance, None
        if utterance is None:
            return self.heard
        if utterance.paused is None:
            self.voice = Voice(self.heard)
            return self.heard
        return utterance.paused
