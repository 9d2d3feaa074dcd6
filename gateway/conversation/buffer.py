"""Push-to-talk: the audio that a client can take for a turn, voice or not."""

from gateway.conversation.ear import Ear
from gateway.conversation.values import Endpointing, Policy

LEAST_COMMITTED = 0.1
"""Seconds of audio that a client can take for an utterance."""

UNLISTENED = 0.064
"""Seconds of audio that have come and were not listened to yet, at most: two windows of voice activity."""

TOO_QUIET = 1.0
"""Seconds without a voice that may hold words which were not noticed to be any; in less there are hardly any."""


class Buffer:
    """All audio since the last turn, up to the longest utterance.

    Args:
        policy: how the conversation is held.
        ear: hears the user.

    Attributes:
        policy: how the conversation is held.
        outgrown: whether it has held a voice for so long that it is followed no longer.
    """

    def __init__(self, policy: Policy, ear: Ear) -> None:
        self.policy = policy
        self.outgrown = False
        self._ear = ear
        self._taken = 0.0

    @property
    def used(self) -> bool:
        """Whether the client takes what it wants of all audio."""
        manual = self.policy.turns.endpointing is Endpointing.MANUAL
        return manual and self.policy.buffered

    @property
    def start(self) -> float:
        """Position of the oldest audio in it."""
        return max(self._taken, self._ear.heard - self.policy.longest_utterance)

    @property
    def nothing(self) -> bool:
        """Whether there is too little in it for a turn."""
        return self._ear.heard - self.start <= LEAST_COMMITTED - UNLISTENED

    def hold(self, policy: Policy, kept_from: float) -> None:
        """From now on, the conversation is held like this; audio is there from the position ``kept_from`` on."""
        unused = not self.used
        self.policy = policy
        if self.used and unused:
            self._taken, self.outgrown = max(self._taken, kept_from), False

    def empty(self) -> None:
        """What is in it was taken, or is not wanted."""
        self._taken, self.outgrown = self._ear.heard, False
