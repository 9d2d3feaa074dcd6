"""The conversation: an ear, an answer, a history, and the rules between them.

Invariants (tests/unit/conversation/test_invariants.py holds them under random events):
audio never leaves before its turn is decided; no word of a cancelled revision reaches the client or the history;
a turn number rises only when a turn is decided; everything that is opened is finished or cancelled.
"""

from collections.abc import Mapping
from typing import assert_never

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answer import Answer
from gateway.conversation.clocks import InputClock
from gateway.conversation.ear import Ear, Hears
from gateway.conversation.history import History
from gateway.conversation.memory import MOST_UNANSWERED, Memory
from gateway.conversation.values import (
    Failure,
    Image,
    Interrupt,
    Outcome,
    Policy,
    Ref,
    State,
    Transcript,
)
from gateway.conversation.waterfall import Stopwatch

DEADLINE_EXCEEDED = 4
"""Number of the gRPC status code for a stage that took too long."""


class Conversation:
    """One conversation. Single-threaded; whoever drives it calls `handle` and `tick`, and does what they return.

    Args:
        policy: when it is whose turn.
        history: what was said before, and the instructions.
        budgets: seconds by share of the waterfall, and ``total``.
    """

    def __init__(
        self, policy: Policy, history: History, budgets: Mapping[str, float]
    ) -> None:
        self._policy = policy
        self._memory = Memory(history)
        self._budgets = budgets
        self._ear = Ear(policy)
        self._clock = InputClock()
        self._answer: Answer | None = None
        self._ended: Answer | None = None
        self._turn = 0
        self._revision = 0
        self._interrupted = False
        self._failed_hearing: Failure | None = None
        self._closing = False
        self._closed = False
        self._out: list[c.Command] = []

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        if self._ear.utterance is not None:
            if self._ear.utterance.hears is Hears.POISED:
                return State.POISED
            return State.INTERRUPTED if self._interrupted else State.HEARING
        return State.ANSWERING if self._answer else State.LISTENING

    @property
    def turn(self) -> int:
        """Turns decided so far."""
        return self._turn

    @property
    def backlog(self) -> float:
        """Seconds of reply audio that wait at the door."""
        return self._answer.backlog if self._answer else 0.0

    @property
    def needed_from(self) -> float:
        """Position before which the input's audio may be forgotten."""
        starts = [self._ear.heard]
        if self._ear.utterance is not None:
            starts.append(self._ear.utterance.start)
        if self._ear.voice is not None:
            starts.append(self._ear.voice.start)
        if (said_from := self._going_on_from()) is not None:
            starts.append(said_from)
        return min(starts) - self._policy.preroll

    def wake_at(self, now: float) -> float | None:
        """When to call `tick` if nothing is handled before; None for never."""
        return self._answer.wake_at(now) if self._answer else None

    def begin(self) -> list[c.Command]:
        """The conversation opens."""
        return [c.Prepare(beginning)] if (beginning := self._memory.beginning()) else []

    def tick(self, now: float) -> list[c.Command]:
        """Time has passed."""
        self._advance(now)
        return self._taken()

    def handle(self, event: e.Event, now: float) -> list[c.Command]:
        """Something happened; returns what is to be done, in order."""
        if not self._closed:
            self._dispatch(event, now)
            self._advance(now)
        return self._taken()

    def _dispatch(self, event: e.Event, now: float) -> None:
        match event:
            case e.SpeechBegan() | e.SpeechPaused() | e.Heard():
                if not self._closing:
                    self._on_hearing(event, now)
            case e.PartialHeard() | e.CheckpointHeard() | e.FinalHeard():
                self._on_transcript(event, now)
            case e.TextWritten() | e.ToolCalled() | e.ReplyWritten():
                self._on_writing(event)
            case e.ClauseTaken() | e.AudioSpoken() | e.MarkSpoken() | e.ReplySpoken():
                self._on_speaking(event, now)
            case e.StageFailed():
                self._on_failure(event, now)
            case e.TextSaid():
                self._on_text(event, now)
            case e.ImageShown():
                self._note("", (event.image,))
            case e.ToolReturned():
                self._on_tool_result(event)
            case e.Committed():
                self._on_commit(now)
            case e.Cleared():
                self._forget_utterance()
            case e.ReplyCancelled():
                self._cut(Outcome.CANCELLED, now)
            case e.ReplyTruncated():
                self._on_truncate(event, now)
            case e.InputEnded():
                self._closing = True
                self._on_commit(now)
            case _:
                assert_never(event)

    # --- hearing ------------------------------------------------------------------------------------------

    def _on_hearing(
        self, event: e.SpeechBegan | e.SpeechPaused | e.Heard, now: float
    ) -> None:
        ear = self._ear
        match event:
            case e.SpeechBegan(at):
                resumed = ear.began(at)
                if resumed and ear.utterance is not None:
                    self._out.append(c.TellSpeechStarted(at))
                    self._out.append(c.ResumeTranscribe(ear.utterance.ref))
            case e.SpeechPaused(at):
                ear.paused(at)
            case e.Heard(until, arrived):
                ear.heard = until
                self._clock.observe(until, arrived)
                self._listen(now)
                if ear.turn_end():
                    self._decide(arrived, now)

    def _listen(self, now: float) -> None:
        """Open an utterance for voice that deserves one, and take a checkpoint when it pauses."""
        ear = self._ear
        if ear.voice is not None and self._may_speak():
            start = self._going_on_from()
            utterance = ear.open(
                self._next_ref(), ear.voice.start if start is None else start
            )
            self._interrupted = self._cut(Outcome.INTERRUPTED, now)
            self._failed_hearing = None
            self._out.append(c.TellSpeechStarted(utterance.start))
            self._out.append(
                c.Transcribe(
                    utterance.ref, max(0.0, utterance.start - self._policy.preroll)
                )
            )
        if (
            ear.soft_end()
            and ear.utterance is not None
            and ear.utterance.paused is not None
        ):
            self._out.append(c.TellSpeechStopped(ear.utterance.paused))
            self._out.append(
                c.TakeCheckpoint(ear.utterance.ref, ear.utterance.checkpoints)
            )

    def _may_speak(self) -> bool:
        """Whether the voice under way is to be listened to."""
        if self._answer is None:
            return True
        if self._policy.interrupt is Interrupt.NEVER:
            self._ear.ignore()
            return False
        return self._ear.voiced() >= self._policy.interrupt_after

    def _going_on_from(self) -> float | None:
        """Where the utterance began whose transcript is awaited: speech now is the rest of the same sentence."""
        if (
            self._answer is None
            or self._answer.opened
            or self._answer.said_from is None
        ):
            return None
        if self._ear.heard - self._answer.said_from >= self._policy.longest_utterance:
            return None
        return self._answer.said_from

    def _next_ref(self) -> Ref:
        """The next attempt at the turn to come."""
        self._revision += 1
        return Ref(self._turn + 1, self._revision)

    def _on_commit(self, now: float) -> None:
        if self._ear.utterance is not None:
            self._decide(now, now)

    def _forget_utterance(self) -> None:
        if self._ear.utterance is not None:
            self._out.append(c.CancelTranscribe(self._ear.utterance.ref))
            self._ear.close()
        self._interrupted = False

    # --- the turn -----------------------------------------------------------------------------------------

    def _decide(self, due: float, now: float) -> None:
        """The user is done: the utterance under way becomes a turn."""
        utterance = self._ear.utterance
        assert utterance is not None
        if utterance.hears is not Hears.POISED:
            self._out.append(
                c.TellSpeechStopped(
                    self._ear.heard if utterance.paused is None else utterance.paused
                )
            )
        ended_at = self._clock.instant(self._ear.close())
        self._interrupted = False
        stopwatch = Stopwatch(
            speech_ended_at=min(ended_at, due), due_at=due, decided_at=now
        )
        answer = Answer(utterance.ref, self._policy, stopwatch, now, utterance.start)
        self._begin_turn(answer)
        if self._failed_hearing is not None:
            self._fail(self._failed_hearing, now)
            return
        self._out.append(c.FinishTranscribe(utterance.ref))

    def _on_transcript(
        self, event: e.PartialHeard | e.CheckpointHeard | e.FinalHeard, now: float
    ) -> None:
        match event:
            case e.PartialHeard(ref, text, stable):
                if self._ear.utterance is not None and self._ear.utterance.ref == ref:
                    self._out.append(c.TellPartial(text, stable))
            case e.CheckpointHeard():
                # Its transcript comes again as the final when silence follows; nothing runs ahead on it yet.
                pass
            case e.FinalHeard(ref, transcript):
                answer = self._answer
                if answer is not None and answer.ref == ref and not answer.opened:
                    self._open_answer(answer, transcript, now)

    def _open_answer(self, answer: Answer, transcript: Transcript, now: float) -> None:
        answer.stopwatch.transcript_at = now
        self._out.append(c.TellTranscript(answer.ref.turn, transcript))
        if not transcript.text.strip():
            self._end(Outcome.EMPTY, now)
            return
        self._memory.user_says(transcript.text)
        self._generate(answer, now)

    def _begin_answer(self, now: float) -> None:
        """Answer what the history ends with, without an utterance."""
        answer = Answer(self._next_ref(), self._policy, Stopwatch(), now)
        self._begin_turn(answer)
        self._generate(answer, now)

    def _begin_turn(self, answer: Answer) -> None:
        self._turn = answer.ref.turn
        self._revision = 0
        self._answer = answer

    def _generate(self, answer: Answer, now: float) -> None:
        answer.opened = True
        answer.since = now
        self._out.append(c.Generate(answer.ref, self._memory.prompt()))

    def _on_writing(self, event: e.TextWritten | e.ToolCalled | e.ReplyWritten) -> None:
        answer = self._answer
        if (
            answer is None
            or answer.ref != event.ref
            or answer.written
            or not answer.opened
        ):
            return
        match event:
            case e.TextWritten(ref, text):
                if not text:
                    return
                self._announce(answer)
                answer.text += text
                self._out.append(c.TellText(ref.turn, text))
                self._out.append(c.Speak(ref, text))
            case e.ToolCalled(ref, call):
                self._announce(answer)
                answer.tool_calls.append(call)
                self._out.append(c.TellToolCall(ref.turn, call))
                self._memory.call(call)
            case e.ReplyWritten(ref, usage):
                answer.written = True
                answer.usage = usage
                if answer.text:
                    self._out.append(c.FinishSpeaking(ref))
                else:
                    answer.spoken = True

    def _announce(self, answer: Answer) -> None:
        if not answer.announced:
            answer.announced = True
            self._out.append(c.TellReplyStarted(answer.ref.turn))

    def _on_speaking(
        self,
        event: e.ClauseTaken | e.AudioSpoken | e.MarkSpoken | e.ReplySpoken,
        now: float,
    ) -> None:
        answer = self._answer
        if (
            answer is None
            or answer.ref != event.ref
            or answer.spoken
            or not answer.opened
        ):
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

    # --- the end of an answer -----------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Let out what is due, end what is over, give up what takes too long, close when all is said."""
        answer = self._answer
        if answer is not None:
            for audio in answer.release(now):
                self._out.append(
                    c.TellAudio(
                        answer.ref.turn, audio.position, audio.seconds, audio.samples
                    )
                )
            overdue, waits = answer.overdue_at(), answer.waits()
            if answer.played_out(now):
                self._finish(answer, now)
            elif overdue is not None and waits is not None and now >= overdue:
                stage = waits.value
                self._fail(
                    Failure(
                        stage,
                        DEADLINE_EXCEEDED,
                        f"{stage.value} took too long to answer",
                    ),
                    now,
                )
        idle = self._answer is None and self._ear.utterance is None
        if idle and self._memory.complete():
            self._begin_answer(now)
        if self._closing and self._answer is None and not self._closed:
            self._forget_utterance()
            self._closed = True
            self._out.append(c.Close(self._turn))

    def _finish(self, answer: Answer, now: float) -> None:
        if answer.tool_calls:
            self._end(Outcome.TOOL_CALLS, now)
        else:
            self._end(Outcome.ANSWERED if answer.playback.sent else Outcome.EMPTY, now)

    def _cut(self, outcome: Outcome, now: float) -> bool:
        """Stop the answer in progress; returns whether there was one."""
        answer = self._answer
        if answer is None:
            return False
        self._give_up(answer, outcome, now)
        return True

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
        self._cancel(answer)

    def _cancel(self, answer: Answer) -> None:
        if answer.opened:
            self._out.append(c.CancelReply(answer.ref))
        else:
            self._out.append(c.CancelTranscribe(answer.ref))

    def _fail(self, failure: Failure, now: float) -> None:
        assert self._answer is not None
        self._give_up(self._answer, Outcome.FAILED, now, failure)

    def _end(
        self, outcome: Outcome, now: float, failure: Failure | None = None
    ) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        heard = answer.heard_text(now)
        self._memory.answered(answer, outcome, heard, failure)
        if answer.announced:
            self._ended = answer
        waterfall = answer.stopwatch.waterfall(self._budgets)
        self._out.append(
            c.TellTurnEnded(
                answer.ref.turn, outcome, heard, waterfall, answer.usage, failure
            )
        )

    def _on_failure(self, event: e.StageFailed, now: float) -> None:
        if self._ear.utterance is not None and self._ear.utterance.ref == event.ref:
            self._failed_hearing = event.failure
        elif self._answer is not None and self._answer.ref == event.ref:
            self._fail(event.failure, now)

    # --- what the client says -----------------------------------------------------------------------------

    def _on_text(self, event: e.TextSaid, now: float) -> None:
        if not event.respond or self._closing:
            self._note(event.text)
            return
        self._cut(Outcome.INTERRUPTED, now)
        self._forget_utterance()
        self._memory.user_says(event.text)
        self._begin_answer(now)

    def _note(self, text: str, images: tuple[Image, ...] = ()) -> None:
        if not self._memory.note(text, images, answering=self._answer is not None):
            problem = f"more than {MOST_UNANSWERED} characters wait for an answer"
            self._out.append(c.Refuse("text.text", problem))

    def _on_tool_result(self, event: e.ToolReturned) -> None:
        if not self._memory.take_result(event.call_id, event.content):
            problem = f"no open call has the id {event.call_id!r}"
            self._out.append(c.Refuse("tool_result.tool_call_id", problem))

    def _on_truncate(self, event: e.ReplyTruncated, now: float) -> None:
        answer = self._answer
        if answer is not None and answer.announced and answer.ref.turn == event.turn:
            self._cut(Outcome.INTERRUPTED, now)
        ended = self._ended
        if ended is None or ended.ref.turn != event.turn:
            last = ended.ref.turn if ended else "none yet"
            self._out.append(
                c.Refuse(
                    "truncate.turn",
                    f"only the last answered turn can be truncated: {last}",
                )
            )
            return
        self._memory.cut_reply(ended.text_until(event.heard))

    def _taken(self) -> list[c.Command]:
        out, self._out = self._out, []
        return out
