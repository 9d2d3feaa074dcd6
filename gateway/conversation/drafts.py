"""The answer to what the user has said so far, in case they are done: made ahead, and kept to itself."""

from collections.abc import Callable
from dataclasses import replace

from gateway.conversation import commands as c
from gateway.conversation.answer import Answer
from gateway.conversation.ear import Said
from gateway.conversation.memory import Memory
from gateway.conversation.values import Policy, Ref, Speculated, Transcript
from gateway.conversation.waterfall import Stopwatch


class Drafts:
    """Makes one draft at a time.

    Args:
        policy: how the conversation is held.
        memory: what the prompts are made of.
        next_ref: gives the next attempt at the turn to come.
        out: takes what is to be done, in order.

    Attributes:
        policy: how the conversation is held.
        draft: what is being made; None for nothing.
    """

    def __init__(
        self,
        policy: Policy,
        memory: Memory,
        next_ref: Callable[[], Ref],
        out: list[c.Command],
    ) -> None:
        self.policy = policy
        self.draft: Answer | None = None
        self._memory = memory
        self._next_ref = next_ref
        self._out = out
        self._made = 0

    def make(
        self, transcript: Transcript, said_from: float, asked_at: float, now: float
    ) -> None:
        """Begin to answer what was said so far, unless that was done too often in this turn.

        Args:
            transcript: what was said.
            said_from: position where it began.
            asked_at: when the transcript was asked for.
            now: on the driver's clock.
        """
        self.drop(Speculated.SUPERSEDED)
        if self._made >= self.policy.speculations or not transcript.text.strip():
            return
        self._made += 1
        prompt = self._memory.supposing(transcript.text)
        if prompt is None:
            return
        self.draft = Answer(
            self._next_ref(),
            self.policy,
            Stopwatch(asked_at=asked_at, transcript_at=now),
            now,
            decided=False,
            said_from=said_from,
            voiced=self.policy.spoken,
            prompt=prompt,
            opened=True,
        )
        self._out.append(c.Generate(self.draft.ref, prompt))

    def drop(self, outcome: Speculated) -> None:
        """Nobody will hear the draft: stop all work on it."""
        draft, self.draft = self.draft, None
        if draft is not None:
            self._out.append(c.CancelReply(draft.ref))
            self._note(draft, outcome)

    def use(self, said: Said, stopwatch: Stopwatch, now: float) -> Answer:
        """The draft is the answer to what was said; returns it.

        Args:
            said: what it answers.
            stopwatch: the turn's instants so far.
            now: on the driver's clock.
        """
        draft, self.draft = self.draft, None
        assert draft is not None
        draft.decided = True
        draft.said = said.item
        # Whoever had all that a draft may have was waiting for the turn, not the turn for them.
        draft.since = now
        draft.stopwatch = replace(
            draft.stopwatch,
            speech_ended_at=stopwatch.speech_ended_at,
            due_at=stopwatch.due_at,
        )
        self._note(draft, Speculated.USED)
        return draft

    def turn_decided(self) -> None:
        """What is made from now on is for the next turn."""
        self._made = 0

    def _note(self, draft: Answer, outcome: Speculated) -> None:
        self._out.append(
            c.NoteSpeculation(draft.ref, outcome, draft.tokens, draft.backlog)
        )
