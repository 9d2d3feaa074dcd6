"""The assistant's side of a conversation: the answer being given, and the draft of the one to come."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answer import Answer
from gateway.conversation.context import TooLong
from gateway.conversation.history import Message
from gateway.conversation.memory import INVALID_ARGUMENT, Memory
from gateway.conversation.values import (
    Failure,
    Initiative,
    Outcome,
    Policy,
    Ref,
    Speculated,
    Stage,
    Transcript,
)
from gateway.conversation.waterfall import Stopwatch

DEADLINE_EXCEEDED = 4
"""Number of the gRPC status code for a stage that took too long."""

Writing = e.TextWritten | e.ToolCalled | e.ReplyWritten
Speaking = e.ClauseTaken | e.AudioSpoken | e.MarkSpoken | e.ReplySpoken


class Answering:
    """Gives one answer at a time, and may have one more up its sleeve.

    Args:
        policy: how long to wait for whom.
        memory: what the prompts are made of.
        budgets: seconds by share of the waterfall, and ``total``.
        out: takes what is to be done, in order.

    Attributes:
        answer: what is being answered; None while it is the user's turn.
        draft: an answer to what the user has said so far, in case they are done.
        turn: turns decided so far.
        ended: the last answer that the client knew of.
        tool_results_due: when the tools that were called are given up, on the driver's clock.
        owed: whether the last answer was cut before its first sound, by a voice that may turn out to be a noise.
        understood: whether the user has said words since this was last set to False.
    """

    def __init__(
        self,
        policy: Policy,
        memory: Memory,
        budgets: Mapping[str, float],
        out: list[c.Command],
    ) -> None:
        self._policy = policy
        self._memory = memory
        self._budgets = budgets
        self._out = out
        self.answer: Answer | None = None
        self.draft: Answer | None = None
        self.ended: Answer | None = None
        self.turn = 0
        self.tool_results_due: float | None = None
        self.owed = False
        self.understood = False
        self._revision = 0
        self._drafts = 0

    def next_ref(self) -> Ref:
        """The next attempt at the turn to come."""
        self._revision += 1
        return Ref(self.turn + 1, self._revision)

    # --- before the turn is decided -----------------------------------------------------------------------

    def speculate(
        self, transcript: Transcript, said_from: float, asked_at: float, now: float
    ) -> None:
        """Begin to answer what was said so far, unless that was done too often in this turn.

        Args:
            transcript: what was said.
            said_from: position where it began.
            asked_at: when the transcript was asked for.
            now: on the driver's clock.
        """
        self.drop_draft(Speculated.SUPERSEDED)
        if self._drafts >= self._policy.speculations or not transcript.text.strip():
            return
        self._drafts += 1
        prompt = self._memory.supposing(transcript.text)
        if prompt is None:
            return
        draft = Answer(
            self.next_ref(),
            self._policy,
            Stopwatch(asked_at=asked_at, transcript_at=now),
            now,
            decided=False,
            said_from=said_from,
            prompt=prompt,
            opened=True,
        )
        self.draft = draft
        self._out.append(c.Generate(draft.ref, prompt))

    def drop_draft(self, outcome: Speculated) -> None:
        """Nobody will hear the draft: stop all work on it."""
        draft, self.draft = self.draft, None
        if draft is not None:
            self._out.append(c.CancelReply(draft.ref))
            self._note(draft, outcome)

    def _note(self, draft: Answer, outcome: Speculated) -> None:
        self._out.append(
            c.NoteSpeculation(draft.ref, outcome, draft.tokens, draft.backlog)
        )

    # --- the turn is decided ------------------------------------------------------------------------------

    def take_turn(
        self,
        utterance: Ref,
        said_from: float,
        transcript: Transcript | None,
        stopwatch: Stopwatch,
        now: float,
    ) -> Answer:
        """It is the assistant's turn: let the draft out if it answers just this, else begin to answer.

        Args:
            utterance: whose transcript is awaited where there is none yet.
            said_from: position where it began.
            transcript: what was said.
            stopwatch: the turn's instants so far.
            now: on the driver's clock.
        """
        draft = self.draft
        if draft is not None and transcript is not None:
            self._adopt(draft, transcript, stopwatch, now)
            return draft
        self.drop_draft(Speculated.SUPERSEDED)
        answer = Answer(
            self.next_ref(),
            self._policy,
            stopwatch,
            now,
            said_from=said_from,
            utterance=utterance,
        )
        self._begin(answer)
        if transcript is not None:
            self.hear(answer, transcript, now)
        return answer

    def _adopt(
        self,
        draft: Answer,
        transcript: Transcript,
        stopwatch: Stopwatch,
        now: float,
    ) -> None:
        self.draft = None
        draft.decided = True
        # Whoever had all that a draft may have was waiting for the turn, not the turn for them.
        draft.since = now
        draft.stopwatch = replace(
            draft.stopwatch,
            speech_ended_at=stopwatch.speech_ended_at,
            due_at=stopwatch.due_at,
        )
        self._begin(draft)
        self._out.append(c.TellTranscript(draft.ref.turn, transcript))
        self._note(draft, Speculated.USED)
        self._user_says(transcript.text)
        for call in draft.tool_calls:
            self._memory.call(call)
        self._out += draft.told()
        self._out += draft.hand_over()

    def hear(self, answer: Answer, transcript: Transcript, now: float) -> None:
        """The transcript that the answer was waiting for."""
        answer.utterance = None
        answer.stopwatch.transcript_at = now
        self._out.append(c.TellTranscript(answer.ref.turn, transcript))
        if not transcript.text.strip():
            self._end(Outcome.EMPTY, now)
            return
        self._user_says(transcript.text)
        self._generate(answer, now)

    def _user_says(self, text: str) -> None:
        """The user said words; no tool is awaited any longer, and no earlier answer."""
        self.understood = True
        self.owed = False
        self._memory.user_says(text)
        self.tool_results_due = None

    def go_on(self, now: float) -> None:
        """Answer what the history ends with, without an utterance."""
        self.tool_results_due = None
        self.owed = False
        answer = Answer(self.next_ref(), self._policy, Stopwatch(), now)
        self._begin(answer)
        self._generate(answer, now)

    def take_initiative(self, what: Initiative, cue: str, now: float) -> None:
        """Say something that nobody asked for.

        Args:
            what: to say.
            cue: stands in the history for what it answers.
            now: on the driver's clock.
        """
        self.owed = False
        self._memory.user_says(what.prompt or cue)
        if not what.say:
            self.go_on(now)
            return
        answer = Answer(self.next_ref(), self._policy, Stopwatch(), now, opened=True)
        self._begin(answer)
        self._out += answer.write(what.say)
        self._out += answer.end_writing(answer.usage)
        self._out += answer.told()

    def _begin(self, answer: Answer) -> None:
        self.turn = answer.ref.turn
        self._revision = 0
        self._drafts = 0
        self.answer = answer

    def _generate(self, answer: Answer, now: float) -> None:
        try:
            prompt = self._memory.prompt()
        except TooLong as error:
            self.fail(Failure(Stage.GATEWAY, INVALID_ARGUMENT, str(error)), now)
            return
        answer.opened = True
        answer.prompt = prompt
        answer.since = now
        self._out.append(c.Generate(answer.ref, prompt))

    # --- what the stages say ------------------------------------------------------------------------------

    def _working(self, ref: Ref) -> Answer | None:
        """The answer, or the draft, that a stage works for."""
        for answer in (self.answer, self.draft):
            if answer is not None and answer.ref == ref and answer.opened:
                return answer
        return None

    def on_writing(self, event: Writing) -> None:
        """The model wrote something."""
        answer = self._working(event.ref)
        if answer is None or answer.written:
            return
        match event:
            case e.TextWritten(_, text):
                self._out += answer.write(text)
            case e.ToolCalled(_, call):
                answer.call(call)
                if answer.decided:
                    self._memory.call(call)
            case e.ReplyWritten(_, usage):
                self._out += answer.end_writing(usage)
        self._out += answer.told()

    def on_speaking(self, event: Speaking, now: float) -> None:
        """The voice spoke."""
        answer = self._working(event.ref)
        if answer is None or answer.spoken:
            return
        match event:
            case e.ClauseTaken(_, end):
                answer.clause(end, now)
            case e.AudioSpoken():
                answer.hold(event, now)
            case e.MarkSpoken(_, characters, at):
                answer.playback.mark(characters, at)
            case e.ReplySpoken():
                answer.spoken = True

    def on_failure(self, event: e.StageFailed, now: float) -> None:
        """A stage gave up; on a draft that costs nothing but time."""
        if self.draft is not None and self.draft.ref == event.ref:
            self.drop_draft(Speculated.FAILED)
        elif self.answer is not None and event.ref in (
            self.answer.ref,
            self.answer.utterance,
        ):
            self.fail(event.failure, now)

    # --- the end of an answer -----------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let out what is due, end what is over, give up what takes too long."""
        draft, answer = self.draft, self.answer
        if draft is not None and _overdue(draft, now) is not None:
            self.drop_draft(Speculated.FAILED)
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
        elif (failure := _overdue(answer, now)) is not None:
            self.fail(failure, now)

    def wake_at(self, now: float) -> float | None:
        """When `advance` has something to do; None for never."""
        times = [
            at
            for answer in (self.answer, self.draft)
            if answer is not None and (at := answer.wake_at(now)) is not None
        ]
        return min(times) if times else None

    def _finish(self, answer: Answer, now: float) -> None:
        if answer.tool_calls:
            self._end(Outcome.TOOL_CALLS, now)
            self.tool_results_due = now + self._policy.tool_timeout
        else:
            self._end(Outcome.ANSWERED if answer.playback.sent else Outcome.EMPTY, now)

    def cut(self, outcome: Outcome, now: float) -> Answer | None:
        """Stop the answer in progress; returns it, if there was one."""
        answer = self.answer
        if answer is not None:
            self._give_up(answer, outcome, now)
        return answer

    def fail(self, failure: Failure, now: float) -> None:
        """The answer in progress cannot be given."""
        assert self.answer is not None
        self._give_up(self.answer, Outcome.FAILED, now, failure)

    def _give_up(
        self,
        answer: Answer,
        outcome: Outcome,
        now: float,
        failure: Failure | None = None,
    ) -> None:
        """End an answer early: tell the client first, then those who work on it."""
        if answer.announced:
            self._out.append(
                c.TellInterrupted(answer.ref.turn, answer.playback.heard(now))
            )
        self._end(outcome, now, failure)
        if answer.opened:
            self._out.append(c.CancelReply(answer.ref))
        elif answer.utterance is not None:
            self._out.append(c.CancelTranscribe(answer.utterance))

    def _end(
        self, outcome: Outcome, now: float, failure: Failure | None = None
    ) -> None:
        answer, self.answer = self.answer, None
        assert answer is not None
        heard = answer.heard_text(now)
        self._memory.answered(answer, outcome, heard, failure)
        if answer.announced:
            self.ended = answer
        if self._policy.prefill and outcome is Outcome.ANSWERED and answer.prompt:
            self._read_anew(answer.prompt)
        waterfall = answer.stopwatch.waterfall(self._budgets)
        self._out.append(
            c.TellTurnEnded(
                answer.ref.turn, outcome, heard, waterfall, answer.usage, failure
            )
        )

    def _read_anew(self, asked: tuple[Message, ...]) -> None:
        """Have the model read prompts from where they begin now, if that is not where they did when it was asked."""
        anew = self._memory.anew(asked)
        if anew is not None:
            self._out.append(c.Prepare(anew, False))


def _overdue(answer: Answer, now: float) -> Failure | None:
    """What there is to say of the stage that an answer has waited for in vain; None if it has not."""
    due, waits = answer.overdue_at(), answer.waits()
    if due is None or waits is None or now < due:
        return None
    stage: Stage = waits.value
    return Failure(stage, DEADLINE_EXCEEDED, f"{stage.value} took too long to answer")
