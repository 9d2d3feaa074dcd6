"""The spans that this process makes while a test looks on."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.util.types import AttributeValue


class Spans(list[ReadableSpan]):
    """Those that began after the test did and have ended, in the order of their ends. Any thread may add to them.

    Attributes:
        open: those that began and have not ended, by id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[int, ReadableSpan] = {}
        self._changed = threading.Condition()

    def named(self, name: str) -> list[ReadableSpan]:
        """All of a name, the first to begin in front."""
        found = [span for span in self if span.name == name]
        return sorted(found, key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        """The only one of a name."""
        (span,) = self.named(name)
        return span

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """The direct children of a span, the first to begin in front."""
        found = [span for span in self if is_below(span, parent)]
        return sorted(found, key=lambda span: span.start_time or 0)

    async def all_ended(self, at_least: int = 1) -> None:
        """Wait until so many have ended and none is open; a test fails on what stays open for 10 s."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(
                    lambda: len(self) >= at_least and not self.open, timeout=10
                )

        assert await asyncio.to_thread(wait), (
            f"{[span.name for span in self.open.values()]} open, {len(self)} ended"
        )

    def _began(self, span: Span) -> None:
        with self._changed:
            self.open[span.get_span_context().span_id] = span

    def _ended(self, span: ReadableSpan) -> None:
        with self._changed:
            if self.open.pop(id_of(span), None) is not None:
                self.append(span)
                self._changed.notify_all()


def id_of(span: ReadableSpan) -> int:
    """A span's own id."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def trace_of(span: ReadableSpan) -> int:
    """Id of the trace that a span is in."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def is_below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span is a direct child of another, in the same trace."""
    return (
        span.parent is not None
        and span.parent.span_id == id_of(parent)
        and trace_of(span) == trace_of(parent)
    )


def told(span: ReadableSpan) -> Mapping[str, AttributeValue]:
    """A span's attributes."""
    return span.attributes or {}


def seconds(span: ReadableSpan) -> float:
    """How long a span took."""
    assert span.start_time is not None and span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


@contextmanager
def recorded() -> Iterator[Spans]:
    """What is begun inside; nothing is exported. The first use turns tracing on for the rest of the process."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    if provider not in _RECORDERS:
        _RECORDERS[provider] = _Recorder()
        provider.add_span_processor(_RECORDERS[provider])
    spans = Spans()
    recorder = _RECORDERS[provider]
    recorder.tests = (*recorder.tests, spans)
    try:
        yield spans
    finally:
        recorder.tests = tuple(each for each in recorder.tests if each is not spans)


class _Recorder(SpanProcessor):
    """Hands spans to the tests that look on: a provider can take a processor on, but never give one up."""

    def __init__(self) -> None:
        self.tests: tuple[Spans, ...] = ()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for spans in self.tests:
            spans._began(span)

    def on_end(self, span: ReadableSpan) -> None:
        for spans in self.tests:
            spans._ended(span)


_RECORDERS: dict[TracerProvider, _Recorder] = {}
