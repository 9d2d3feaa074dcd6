"""Stands outside the conversation and turns what it does into spans and metrics; it runs the same without."""

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, Status, StatusCode

from gateway.conversation import commands as c
from gateway.conversation.values import Speculated
from gateway.conversation.waterfall import SHARES, Waterfall
from services.runtime.telemetry import metrics, names, tracing


class Observer:
    """Watches one conversation.

    Args:
        conversation_id: as the client knows it.
    """

    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id
        self._spans: dict[int, Span] = {}
        around = trace.get_current_span().get_span_context()
        self._links = [Link(around)] if around.is_valid else []

    def saw(self, command: c.Command) -> None:
        """The conversation asked for something."""
        match command:
            case c.Transcribe(ref) | c.Generate(ref):
                self._span(ref.turn)
            case c.CancelTranscribe(ref):
                self._end(ref.turn, "forgotten")
            case c.NoteSpeculation():
                _count(command)
            case c.TellTurnEnded():
                self._turn_ended(command)

    def metadata(self, turn: int) -> tuple[tuple[str, str], ...]:
        """Metadata that makes a stage's spans children of the turn's."""
        return tracing.inject(context=trace.set_span_in_context(self._span(turn)))

    def close(self) -> None:
        """The conversation is over."""
        for turn in list(self._spans):
            self._end(turn, "abandoned")

    def _span(self, turn: int) -> Span:
        if turn not in self._spans:
            attributes: dict[str, str | int] = {
                names.CONVERSATION_ID: self._conversation_id,
                names.TURN: turn,
            }
            # A trace of its own: a conversation may last for hours.
            self._spans[turn] = tracing.tracer.start_span(
                names.TURN_SPAN, Context(), attributes=attributes, links=self._links
            )
        return self._spans[turn]

    def _end(self, turn: int, outcome: str) -> Span | None:
        span = self._spans.pop(turn, None)
        if span is not None:
            span.set_attribute(names.OUTCOME, outcome)
            span.end()
        return span

    def _turn_ended(self, ended: c.TellTurnEnded) -> None:
        outcome = ended.outcome.value
        metrics.TURNS.labels(outcome).inc()
        span = self._span(ended.turn)
        if ended.failure is not None:
            span.set_attribute(names.ERROR_TYPE, ended.failure.stage.value)
            span.set_status(Status(StatusCode.ERROR))
        if ended.waterfall is not None:
            _observe(ended.waterfall, span)
        self._end(ended.turn, outcome)


def _count(made: c.NoteSpeculation) -> None:
    metrics.SPECULATIONS.labels(made.outcome.value).inc()
    if made.outcome is not Speculated.USED:
        metrics.SPECULATION_WASTED_TOKENS.inc(made.tokens)
        metrics.SPECULATION_WASTED_AUDIO.inc(made.audio)


def _observe(waterfall: Waterfall, span: Span) -> None:
    metrics.RESPONSE_LATENCY.observe(waterfall.total)
    for share in SHARES:
        metrics.TURN_STAGE.labels(share).observe(waterfall.share(share))
        span.set_attribute(f"{names.WATERFALL}.{share}", waterfall.share(share))
    span.set_attribute(f"{names.WATERFALL}.total", waterfall.total)
    for stage in waterfall.overruns:
        metrics.BUDGET_OVERRUNS.labels(stage).inc()
