"""The turns that are under way, and how each of them ends."""

from gateway.conversation import commands as c
from gateway.conversation.answer import Answer
from gateway.conversation.memory import Memory
from gateway.conversation.prompt import Message
from gateway.conversation.spoken import Spoken
from gateway.conversation.telling import Telling
from gateway.conversation.values import Failure, Outcome, Policy, Ref, Wish


class UnderWay:
    """At most one answer, and what is transcribed for the history alone.

    Args:
        policy: how the conversation is held.
        memory: what the prompts are made of.
        telling: tells the client.
        out: takes what is to be done, in order.

    Attributes:
        policy: how the conversation is held.
        answer: what is being answered; None while it is the user's turn.
        unanswered: turns that are transcribed for the history alone.
        wish: an answer that the client asked for, and that cannot begin yet.
        ended: the last answer that the client knew of.
        spoken: what was spoken of the last answers.
        tool_results_due: when the tools that were called are late, on the driver's clock.
    """

    def __init__(
        self, policy: Policy, memory: Memory, telling: Telling, out: list[c.Command]
    ) -> None:
        self.policy = policy
        self.answer: Answer | None = None
        self.unanswered: list[Answer] = []
        self.wish: Wish | None = None
        self.ended: Answer | None = None
        self.spoken = Spoken()
        self.tool_results_due: float | None = None
        self._memory = memory
        self._telling = telling
        self._out = out

    def all(self) -> tuple[Answer, ...]:
        """Every turn that is under way."""
        return (*self.unanswered, *([self.answer] if self.answer is not None else []))

    def of(self, ref: Ref) -> Answer | None:
        """The turn that a revision of an answer, or of an utterance, belongs to."""
        turns = self.all()
        return next((t for t in turns if ref in (t.ref, t.utterance)), None)

    def advance(self, now: float) -> None:
        """Let out what is due, end what is over, give up what takes too long."""
        for unanswered in list(self.unanswered):
            if (failure := unanswered.overdue(now)) is not None:
                self.give_up(unanswered, Outcome.FAILED, now, failure)
        answer = self.answer
        if answer is None:
            return
        for audio in answer.release(now):
            self._out.append(
                c.TellAudio(
                    answer.ref.turn, audio.position, audio.seconds, audio.samples
                )
            )
        if answer.played_out(now):
            self._finish(answer, now)
        elif (failure := answer.overdue(now)) is not None:
            self.give_up(answer, Outcome.FAILED, now, failure)

    def _finish(self, answer: Answer, now: float) -> None:
        if answer.tool_calls:
            self.end(answer, Outcome.TOOL_CALLS, now)
            self.tool_results_due = now + self.policy.tool_timeout
        else:
            said = answer.playback.sent if answer.voiced else answer.text.strip()
            self.end(answer, Outcome.ANSWERED if said else Outcome.EMPTY, now)

    def give_up(
        self,
        answer: Answer,
        outcome: Outcome,
        now: float,
        failure: Failure | None = None,
    ) -> None:
        """End an answer early: tell the client first, then those who work on it."""
        transcribing = answer.utterance
        if transcribing is not None:
            self._telling.unheard(answer, failure)
            if outcome is Outcome.INTERRUPTED:
                self.give_back(answer)
            elif answer.wish is not None:
                self._telling.responding(answer)
        if answer.announced and answer.voiced:
            self._out.append(
                c.TellInterrupted(answer.ref.turn, answer.playback.heard(now))
            )
        self.end(answer, outcome, now, failure)
        if answer.opened:
            self._out.append(c.CancelReply(answer.ref))
        elif transcribing is not None:
            self._out.append(c.CancelTranscribe(transcribing))

    def give_back(self, answer: Answer) -> None:
        """What the client asked for has not been answered: it is answered as soon as that can be."""
        if answer.wish is not None:
            self.wish, answer.wish = answer.wish, None

    def end(
        self,
        answer: Answer,
        outcome: Outcome,
        now: float,
        failure: Failure | None = None,
    ) -> None:
        """A turn is over."""
        heard = answer.heard_text(now)
        if answer is self.answer:
            self.answer = None
            forgotten = self._memory.answered(answer, outcome, heard, failure)
            self._out += [c.TellItemDeleted(item) for item in forgotten]
        else:
            self.unanswered.remove(answer)
        if answer.announced:
            self.ended = answer
            self.spoken.keep(answer)
        if self.policy.prefill and outcome is Outcome.ANSWERED and answer.prompt:
            self._read_anew(answer.prompt)
        self._telling.ended(answer, outcome, heard, failure)

    def _read_anew(self, asked: tuple[Message, ...]) -> None:
        """Have the model read prompts from where they begin now, if that is not where they did when it was asked."""
        anew = self._memory.anew(asked)
        if anew is not None:
            self._out.append(c.Prepare(anew, False))
