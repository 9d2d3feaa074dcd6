"""Whether the user is done: what a pause means, by all that is known of it."""

import math

from gateway.conversation.answering import Answering
from gateway.conversation.ear import Ear, Pause, Utterance
from gateway.conversation.endpointing import Patience, likelihood
from gateway.conversation.values import Endpointing, Failure, Policy, TurnTaking

NO_AUDIO = 1.0
"""Seconds for audio to come that should have come by now; then a pause is taken to go on."""


class Judge:
    """Says when an utterance is over.

    Args:
        policy: how the conversation is held.
        ear: hears the user.
        answering: may have an answer already.

    Attributes:
        policy: how the conversation is held.
        patience: how long this user is waited for.
        failed: why the recognizer gave the utterance up; None while it has not.
    """

    def __init__(self, policy: Policy, ear: Ear, answering: Answering) -> None:
        self.policy = policy
        self.patience = Patience()
        self.failed: Failure | None = None
        self._ear = ear
        self._answering = answering

    @property
    def turns(self) -> TurnTaking:
        """When it is whose turn."""
        return self.policy.turns

    def done(self, utterance: Utterance, at: float, now: float) -> float | None:
        """When it was clear that the user is done, on the driver's clock; None while it is not.

        Args:
            utterance: what they say.
            at: when the last audio arrived.
            now: on the driver's clock.
        """
        pause, quiet = utterance.pause, self._ear.quiet()
        if self._ear.heard - utterance.start >= self.policy.longest_utterance:
            return at
        if pause is None or utterance.paused is None:
            return None
        late = pause.late(at) and self.failed is None
        if quiet >= self._wait(pause) and pause.due_at is None:
            pause.due_at = self._was_due(pause, at, quiet) if late else at
        if now >= (self.hopeless_at() or math.inf):
            return now
        longest = self.patience.longest(self.turns)
        if pause.due_at is None or not (
            self._nothing_to_wait_for(pause) or quiet >= longest
        ):
            return None
        if late or self._answering.draft is not None:
            return pause.due_at
        # The answer begins now, and what was waited for was the end of the turn.
        return at

    def hopeless(self, aside: Utterance, now: float) -> bool:
        """Whether nothing will become of what somebody says into an answer."""
        return (
            (self.failed is not None and aside.pause is not None)
            or now >= (self.hopeless_at() or math.inf)
            or self._ear.heard - aside.start >= self.policy.longest_utterance
        )

    def hopeless_at(self) -> float | None:
        """When a pause has been waited in for too long: for a recognizer that hangs, or audio that does not come."""
        utterance = self._ear.utterance
        if utterance is None or utterance.pause is None:
            return None
        asked_at = utterance.pause.asked_at
        if utterance.aside:
            return asked_at + self.policy.stt_timeout
        longest = self.patience.longest(self.turns)
        return asked_at + longest + NO_AUDIO if longest < math.inf else None

    def _was_due(self, pause: Pause, at: float, quiet: float) -> float:
        """When the silence would have been long enough, had nobody waited for the recognizer.

        Args:
            pause: whose transcript is late.
            at: when the last audio arrived.
            quiet: seconds of silence until then.
        """
        likely = likelihood(pause.sound, pause.transcript)
        wait = self.patience.wait(self.turns, likely)
        return max(pause.sound_at or at, at - (quiet - wait))

    def _wait(self, pause: Pause) -> float:
        """Seconds of silence after which the turn may be decided."""
        if self._deaf(pause) and self.turns.endpointing is Endpointing.PREDICTED:
            return min(self.turns.silence, self.patience.longest(self.turns))
        return self.patience.wait(self.turns, pause.likely())

    def _nothing_to_wait_for(self, pause: Pause) -> bool:
        """Whether an answer could leave now, or will not be there any sooner for waiting."""
        if pause.transcript is None:
            return self._deaf(pause)
        draft = self._answering.draft
        return draft is None or draft.ready

    def _deaf(self, pause: Pause) -> bool:
        """Whether there will be no transcript."""
        return self.failed is not None and pause.transcript is None
