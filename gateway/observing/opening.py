"""The span of a conversation."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace

from services.runtime.telemetry import names, tracing


@contextmanager
def conversation_span(conversation_id: str) -> Iterator[None]:
    """Have what happens inside belong to the conversation's span, which is over at once: conversations last for hours."""
    attributes: dict[str, str] = {names.CONVERSATION_ID: conversation_id}
    span = tracing.tracer.start_span(names.CONVERSATION_SPAN, attributes=attributes)
    span.end()
    token = contexts.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        contexts.detach(token)
