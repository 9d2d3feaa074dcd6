"""Watches one conversation."""

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.trace import Link

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import Ref, Stage
from gateway.observing import lines
from gateway.observing.calls import WatchedCall
from gateway.observing.counting import LOST, count_speculation, count_turn
from gateway.observing.recent import Recent
from gateway.observing.turn import TurnTrace
from services.runtime.telemetry import names, tracing


class Observer:
    """Makes one trace of each turn of a conversation, counts them, and keeps the last ones.

    Turns are linked to the span that is current when this is made, which is to be the conversation's.

    Args:
        conversation_id: as the client knows it.
        recent: keeps turns.
        now: the driver's clock.

    Attributes:
        ending: why the conversation ended; ``lost`` as long as nobody brought it to an end.
    """

    def __init__(
        self, conversation_id: str, recent: Recent, now: Callable[[], float]
    ) -> None:
        self.ending = LOST
        self._conversation_id = conversation_id
        self._recent = recent
        self._now = now
        self._at = now()
        self._turns: dict[int, TurnTrace] = {}
        around = trace.get_current_span().get_span_context()
        self._links = [Link(around)] if around.is_valid else []

    # --- what the session says ----------------------------------------------------------------------------

    def heard(self, event: e.Event, at: float) -> None:
        """The conversation is about to be told something, ``at`` the driver's clock."""
        match event:
            case e.AudioSpoken(ref):
                if (call := self._call(Stage.TTS, ref)) is not None:
                    call.first(names.FIRST_CLAUSE_EVENT, at)
                    call.first(names.FIRST_AUDIO_EVENT, at)
            case e.ClauseTaken(ref):
                if (call := self._call(Stage.TTS, ref)) is not None:
                    call.first(names.FIRST_CLAUSE_EVENT, at)
            case e.CheckpointHeard(ref) | e.FinalHeard(ref):
                self._note(Stage.STT, ref, names.TRANSCRIPT_EVENT, at)
            case e.ToolCalled(ref):
                self._note(Stage.LLM, ref, names.TOOL_CALL_EVENT, at)
            case e.ReplyWritten(ref, usage, finish):
                if (call := self._call(Stage.LLM, ref)) is not None:
                    call.written(usage, finish)

    def saw(self, command: c.Command, at: float) -> None:
        """The conversation asks for something, ``at`` the driver's clock; it is about to be done."""
        self._at = at
        lines.write(command, self._turns)
        match command:
            case c.TellAudio(number):
                self._turn(number).sent(at)
            case c.Transcribe(ref, began_at=began_at):
                self._turn(ref.turn, began_at)
            case c.TakeCheckpoint(ref) | c.FinishTranscribe(ref):
                self._note(Stage.STT, ref, names.ASKED_EVENT, at)
            case c.CancelTranscribe(ref):
                self._end(ref.turn, "forgotten")
            case c.NoteEndpointing(number, spoke_until):
                self._turn(number, spoke_until).endpointed(command)
            case c.NoteSpeculation(ref):
                turn = self._turn(ref.turn)
                turn.speculated(command, at)
                count_speculation(command, tracing.exemplar(turn.root.span))
            case c.TellResponding(number):
                self._turn(number).responding = True
            case c.TellInterrupted(number):
                self._turn(number).cut = True
            case c.TellTurnEnded():
                self._turn_ended(command)
            case c.Close(_, why):
                self.ending = why.value

    def transcribing(self, ref: Ref) -> WatchedCall:
        """The recognizer is asked, by what was seen last."""
        return self._turn(ref.turn).transcribe(ref, self._at)

    def generating(self, ref: Ref, model: str) -> WatchedCall:
        """Likewise the model; ``model``: by its name, empty for the default."""
        return self._turn(ref.turn).generate(ref, model, self._at)

    def synthesizing(self, ref: Ref) -> WatchedCall:
        """Likewise the voice."""
        return self._turn(ref.turn).synthesize(ref, self._at)

    def close(self) -> None:
        """The conversation is over, and all that was asked for it has been given up; speech under way becomes no turn."""
        self._at = self._now()
        for number in list(self._turns):
            self._end(number, "abandoned")

    # --- turns --------------------------------------------------------------------------------------------

    def _turn(self, number: int, began: float | None = None) -> TurnTrace:
        if number not in self._turns:
            self._turns[number] = TurnTrace(
                self._conversation_id,
                number,
                self._at if began is None else min(began, self._at),
                self._now,
                self._links,
            )
        return self._turns[number]

    def _call(self, stage: Stage, ref: Ref) -> WatchedCall | None:
        turn = self._turns.get(ref.turn)
        return turn.call(stage, ref) if turn is not None else None

    def _note(self, stage: Stage, ref: Ref, event: names.Event, at: float) -> None:
        if (call := self._call(stage, ref)) is not None:
            call.note(event, at)

    def _end(self, number: int, outcome: str) -> None:
        turn = self._turns.pop(number, None)
        if turn is not None:
            turn.end(outcome, self._at)

    def _turn_ended(self, ended: c.TellTurnEnded) -> None:
        turn = self._turn(ended.turn)
        if ended.failure is not None:
            turn.root.fail(ended.failure.stage.value)
        if ended.waterfall is not None:
            turn.tell(ended.waterfall)
        count_turn(ended, turn.cut, tracing.exemplar(turn.root.span))
        self._recent.add(self._conversation_id, turn, ended, self._at)
        self._end(ended.turn, ended.outcome.value)
