"""What work for an RPC leaves in the RPC's trace, also where a thread did it, in one batch with the work of others."""

import time
from collections.abc import Mapping
from enum import Enum

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from services.runtime.errors import AntiphonError, Cancelled
from services.runtime.telemetry import names, tracing


class Outcome(Enum):
    """How work in the engine ended; the value is the spans' attribute."""

    DONE = "done"
    POSTPONED = "postponed"
    DROPPED = "dropped"
    FAILED = "failed"


class Trail:
    """Spans below the one that was current when this was made.

    Each is made when it is over: whatever becomes of the work, none is left open. Safe to use from any thread, also when
    the RPC has ended; costs next to nothing where the RPC is not traced.

    Attributes:
        exemplar: joins measurements of the work to its trace; None where the trace is not kept.
    """

    def __init__(self) -> None:
        span = trace.get_current_span()
        self.exemplar = tracing.exemplar(span)
        self._parent = (
            trace.set_span_in_context(span, Context()) if span.is_recording() else None
        )

    def add(
        self,
        name: names.SpanName,
        seconds: float,
        attributes: Mapping[str, AttributeValue],
        error: AntiphonError | None = None,
        ago: float = 0.0,
    ) -> None:
        """Tell of something that is over.

        Args:
            name: of the span.
            seconds: that it took.
            attributes: of the span.
            error: that ended it.
            ago: seconds since its end.
        """
        if self._parent is None:
            return
        end = time.time_ns() - round(ago * 1e9)
        span = tracing.tracer.start_span(
            name,
            self._parent,
            attributes=attributes,
            start_time=end - round(seconds * 1e9),
        )
        if error is not None:
            set_error(span, error)
        span.end(end)


def set_error(span: Span, error: AntiphonError) -> None:
    """Mark what failed, as server spans are marked; the message stays in the log. A caller who left is no failure."""
    if not isinstance(error, Cancelled):
        tracing.fail(span, error.code.name)
