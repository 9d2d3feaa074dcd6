"""One turn as a trace: its root, and what is directly below it."""

from collections.abc import Callable, Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind

from gateway.conversation.commands import NoteEndpointing, NoteSpeculation
from gateway.conversation.values import Ref, Stage
from gateway.conversation.waterfall import SHARES, Waterfall
from gateway.observing.calls import WatchedCall
from gateway.observing.spans import TimedSpan, Value, WallClock
from gateway.stages.spans import METHODS, SPANS
from services.runtime.telemetry import names


class TurnTrace:
    """Follows one turn.

    Its root ends last, at the instant at which the turn did: a turn may be over a moment before its calls are, and
    whoever decides at the root's end whether a trace is kept is to have seen all of it.

    Args:
        conversation_id: as the client knows it.
        turn: its number.
        began: when the user began to speak, or the answer did that nobody spoke for; on the driver's clock.
        now: the driver's clock.
        links: to the conversation.

    Attributes:
        number: of the turn.
        root: its span.
        spans: directly below, in the order in which they began to be known.
        model: that was asked for last; empty for the default, or for none.
        responding: it is the assistant's turn.
        cut: its answer was stopped while it was played.
    """

    def __init__(
        self,
        conversation_id: str,
        turn: int,
        began: float,
        now: Callable[[], float],
        links: Sequence[Link],
    ) -> None:
        self.number = turn
        self.clock = WallClock.read(now())
        self.root = TimedSpan(
            names.TURN_SPAN,
            began,
            self.clock,
            # A trace of its own: a conversation may last for hours.
            Context(),
            {names.CONVERSATION_ID: conversation_id, names.TURN: turn},
            links=links,
        )
        self.spans: list[TimedSpan] = []
        self.model = ""
        self.responding = False
        self.cut = False
        self._now = now
        self._calls: dict[tuple[Stage, Ref], WatchedCall] = {}
        self._drafts: dict[Ref, TimedSpan] = {}
        self._playout: TimedSpan | None = None
        self._open_calls = 0
        self._ended_at: float | None = None

    # --- calls to the stages ------------------------------------------------------------------------------

    def transcribe(self, ref: Ref, at: float) -> WatchedCall:
        """The recognizer is asked."""
        return self._begin(Stage.STT, ref, at, {})

    def generate(self, ref: Ref, model: str, at: float) -> WatchedCall:
        """The model is asked; a draft is, unless it is the assistant's turn."""
        self.model = model
        if not self.responding:
            revision: dict[str, Value] = {names.REVISION: ref.revision}
            self._drafts[ref] = self._span(names.SPECULATE_SPAN, at, revision)
        told: dict[str, Value] = {
            names.SPECULATIVE: ref in self._drafts,
            names.GEN_AI_OPERATION: "chat",
            names.GEN_AI_REQUEST_MODEL: model or "default",
        }
        return self._begin(Stage.LLM, ref, at, told)

    def synthesize(self, ref: Ref, at: float) -> WatchedCall:
        """The voice is asked."""
        told: dict[str, Value] = {names.SPECULATIVE: ref in self._drafts}
        return self._begin(Stage.TTS, ref, at, told)

    def call(self, stage: Stage, ref: Ref) -> WatchedCall | None:
        """That a stage was asked by for a revision, if it was."""
        return self._calls.get((stage, ref))

    def _begin(
        self, stage: Stage, ref: Ref, at: float, told: Mapping[str, Value]
    ) -> WatchedCall:
        attributes: dict[str, Value] = {
            names.RPC_SYSTEM: "grpc",
            names.RPC_METHOD: METHODS[stage],
            names.REVISION: ref.revision,
            names.TRIES: 1,
            **told,
        }
        span = self._span(SPANS[stage], at, attributes, SpanKind.CLIENT)
        call = WatchedCall(span, ref, self._now, self._call_over)
        self._calls[stage, ref] = call
        self._open_calls += 1
        return call

    def _call_over(self) -> None:
        self._open_calls -= 1
        self._end_root()

    # --- what happens in between --------------------------------------------------------------------------

    def endpointed(self, note: NoteEndpointing) -> None:
        """It is known when the user was done, and when that was clear."""
        span = self._span(names.ENDPOINTING_SPAN, note.spoke_until, {})
        span.finish(note.due_at)
        self.root.note(names.AWAITED_EVENT, note.awaited_from)

    def speculated(self, note: NoteSpeculation, at: float) -> None:
        """It is known what became of a draft."""
        span = self._drafts.pop(note.ref, None)
        if span is not None:
            span.set({names.SPECULATION_OUTCOME: note.outcome.value})
            span.finish(at)

    def sent(self, at: float) -> None:
        """Audio leaves for the client."""
        if self._playout is None:
            self._playout = self._span(names.PLAYOUT_SPAN, at, {})

    # --- its end ------------------------------------------------------------------------------------------

    def tell(self, waterfall: Waterfall) -> None:
        """Where its time went."""
        told: dict[str, Value] = {
            f"{names.WATERFALL}.{share}": waterfall.share(share)
            for share in (*SHARES, "saved", "total")
        }
        if waterfall.overruns:
            told[names.OVERRUNS] = waterfall.overruns
        self.root.set(told)

    def end(self, outcome: str, at: float) -> None:
        """It is over."""
        self.root.set({names.OUTCOME: outcome})
        if self._playout is not None:
            self._playout.finish(at)
        self._ended_at = at
        self._end_root()

    def _end_root(self) -> None:
        if self._ended_at is not None and not self._open_calls:
            for draft in self._drafts.values():
                draft.finish(self._ended_at)
            self.root.finish(self._ended_at)

    def _span(
        self,
        name: names.SpanName,
        at: float,
        attributes: Mapping[str, Value],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> TimedSpan:
        parent = self.root.context
        span = TimedSpan(name, at, self.clock, parent, attributes, kind)
        self.spans.append(span)
        return span
