"""Spans on the driver's clock. They are kept as well, so that turns can be looked at where nobody collects traces."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from services.runtime.telemetry import names, tracing

Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WallClock:
    """Tells the time of day of instants on the driver's clock.

    One for each turn: within a turn all lengths are the driver's, and if the time of day is set, the next turn follows.

    Attributes:
        ahead: seconds by which the time of day is ahead of the driver's clock.
    """

    ahead: float

    @classmethod
    def read(cls, now: float) -> "WallClock":
        """As it is ``now`` on the driver's clock."""
        return cls(time.time() - now)

    def seconds(self, at: float) -> float:
        """Seconds since 1970."""
        return at + self.ahead

    def nanoseconds(self, at: float) -> int:
        """Nanoseconds since 1970."""
        return round((at + self.ahead) * 1e9)


class TimedSpan:
    """A span whose instants are the driver's.

    Args:
        name: of the span.
        start: on the driver's clock.
        clock: of the turn.
        parent: holds the span that it is below; the empty context for a trace of its own.
        attributes: that are known already.
        kind: of the span.
        links: to other traces.

    Attributes:
        name: of the span.
        start: on the driver's clock.
        end: likewise; None while it is open.
        attributes: by name; never anybody's words.
    """

    def __init__(
        self,
        name: names.SpanName,
        start: float,
        clock: WallClock,
        parent: Context,
        attributes: Mapping[str, Value],
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> None:
        self.name = name
        self.start = start
        self.end: float | None = None
        self.attributes: dict[str, Value] = dict(attributes)
        self._clock = clock
        self.span = tracing.tracer.start_span(
            name,
            parent,
            kind,
            self.attributes,
            links,
            start_time=clock.nanoseconds(start),
        )
        self.context = trace.set_span_in_context(self.span, Context())

    @property
    def trace_id(self) -> str | None:
        """In hexadecimal digits; None where nobody collects traces."""
        context = self.span.get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Say more about it."""
        self.attributes.update(attributes)
        self.span.set_attributes(attributes)

    def note(
        self,
        event: names.Event,
        at: float,
        attributes: Mapping[str, Value] | None = None,
    ) -> None:
        """Something happened in it."""
        self.span.add_event(event, attributes, self._clock.nanoseconds(at))

    def fail(self, kind: str) -> None:
        """It went wrong, in this way."""
        self.attributes[names.ERROR_TYPE] = kind
        tracing.fail(self.span, kind)

    def finish(self, at: float) -> None:
        """It is over; a second time does nothing."""
        if self.end is None:
            self.end = max(self.start, at)
            self.span.end(self._clock.nanoseconds(self.end))


def conversation_span(conversation_id: str) -> Span:
    """A conversation's span, which is over at once: a conversation may last for hours."""
    attributes: dict[str, str] = {names.CONVERSATION_ID: conversation_id}
    span = tracing.tracer.start_span(names.CONVERSATION_SPAN, attributes=attributes)
    span.end()
    return span
