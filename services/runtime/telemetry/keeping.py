"""Keeps the traces of turns that overran a budget or failed, where the sampler would have dropped them.

How a turn went is known at its end, and a sampler decides at its beginning. So the gateway's spans of a turn that is
not sampled are recorded all the same and held back until its root has ended.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
)
from opentelemetry.util.types import Attributes

from services.runtime.telemetry import names

MOST_SPANS = 4096
"""Held back at once: hundreds of turns. Beyond it the oldest turn's are let go."""

LONGEST_SECONDS = 600.0
"""From a turn's first span to its end; one that takes longer is let go."""


def is_worth_keeping(span: ReadableSpan) -> bool:
    """Whether this is the root of a turn that overran a budget or failed, as far as it is known."""
    if span.name != names.TURN_SPAN:
        return False
    overruns = (span.attributes or {}).get(names.OVERRUNS)
    return bool(overruns) or span.status.status_code is StatusCode.ERROR


class TurnSampler(Sampler):
    """Records every turn; which traces are sampled is another's decision.

    Args:
        decides: about each trace.
    """

    def __init__(self, decides: Sampler) -> None:
        self._decides = decides

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """What the other decides; in place of dropping a turn's span, recording it."""
        result = self._decides.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        parent = get_current_span(parent_context)
        if result.decision is not Decision.DROP or not (
            # What is recorded below a span of this process belongs to a turn: no other root is.
            isinstance(parent, ReadableSpan) or name == names.TURN_SPAN
        ):
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """As the SDK wants it."""
        return f"TurnSampler{{{self._decides.get_description()}}}"


@dataclass(slots=True)
class _Turn:
    """What is known of a turn that is not sampled.

    Attributes:
        since: when its first span ended, on the clock.
        kept: whether it is exported; None until that is known.
        spans: held back until then.
    """

    since: float
    kept: bool | None = None
    spans: list[ReadableSpan] = field(default_factory=list)


class Keeping(SpanProcessor):
    """Hands on what is sampled, and what is recorded of a turn once that has proved to be worth it.

    Args:
        exports: takes the spans.
        clock: seconds.
    """

    def __init__(
        self, exports: SpanProcessor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._exports = exports
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: OrderedDict[int, _Turn] = OrderedDict()
        self._held = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Tell the exporting processor."""
        self._exports.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand the span on, or hold it back."""
        context = span.get_span_context()
        if context is None or context.trace_flags.sampled:
            self._exports.on_end(span)
            return
        with self._lock:
            wanted = self._take(context.trace_id, span)
        for each in wanted:
            self._exports.on_end(_sampled(each))

    def shutdown(self) -> None:
        """Export what is on its way; turns that have not ended are let go."""
        self._exports.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Export what is on its way."""
        return self._exports.force_flush(timeout_millis)

    def _take(self, trace_id: int, span: ReadableSpan) -> list[ReadableSpan]:
        """Hold a span; returns those whose fate it has settled well."""
        now = self._clock()
        turn = self._turns.setdefault(trace_id, _Turn(now))
        turn.spans.append(span)
        self._held += 1
        if span.name == names.TURN_SPAN:
            turn.kept = is_worth_keeping(span)
        wanted: list[ReadableSpan] = []
        if turn.kept is not None:
            # The turn itself stays known: what ends after its root goes the same way.
            wanted = turn.spans if turn.kept else []
            self._held -= len(turn.spans)
            turn.spans = []
        self._let_go(now)
        return wanted

    def _let_go(self, now: float) -> None:
        while self._turns:
            oldest = next(iter(self._turns.values()))
            if (
                self._held <= MOST_SPANS
                and len(self._turns) <= MOST_SPANS
                and now - oldest.since <= LONGEST_SECONDS
            ):
                return
            self._turns.popitem(last=False)
            self._held -= len(oldest.spans)


def _sampled(span: ReadableSpan) -> ReadableSpan:
    """The same span in a trace that is sampled: exporting processors pass over all others."""
    context = span.get_span_context()
    assert context is not None
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(
            context.trace_id,
            context.span_id,
            context.is_remote,
            flags,
            context.trace_state,
        ),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
