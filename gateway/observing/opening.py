"""The span of a conversation."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Span

from services.runtime.telemetry import names, tracing


def conversation_span(conversation_id: str) -> Span:
    """A conversation's span, which is over at once: a conversation may last for hours."""
    attributes: dict[str, str] = {names.CONVERSATION_ID: conversation_id}
    span = tracing.tracer.start_span(names.CONVERSATION_SPAN, attributes=attributes)
    span.end()
    return span


@contextmanager
def within(span: Span) -> Iterator[None]:
    """Have what happens inside belong to a span, whether that is over or not."""
    token = contexts.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        contexts.detach(token)
