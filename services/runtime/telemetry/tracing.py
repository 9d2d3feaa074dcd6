"""Traces: the OpenTelemetry SDK, exporting by OTLP where the standard ``OTEL_*`` variables say so, else off.

The sampler is what ``OTEL_TRACES_SAMPLER`` names, read by the SDK; `keeping` adds to it.
"""

import os
import platform
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Status, StatusCode

from services.runtime.errors import FailedPrecondition
from services.runtime.telemetry import names
from services.runtime.telemetry.exporting import Batches
from services.runtime.telemetry.keeping import Keeping, TurnSampler, is_worth_keeping

tracer = trace.get_tracer("antiphon")

VERSION = version("antiphon")
"""Of the package."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def configure(service: str) -> TracerProvider | None:
    """Start exporting traces as ``antiphon-<service>``; None where no OTLP endpoint is set.

    Shut the provider down at the end of the process, or its last spans are lost.

    Raises:
        FailedPrecondition: a variable has a value that it cannot have.
    """
    if (
        not any(os.environ.get(name) for name in _ENDPOINTS)
        or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    ):
        return None
    try:
        provider = TracerProvider(resource=_resource(service))
        provider.sampler = TurnSampler(provider.sampler)
        provider.add_span_processor(Keeping(Batches()))
    except ValueError as error:
        raise FailedPrecondition(
            f"traces: a variable of OpenTelemetry's (OTEL_…) has a wrong value: {error}"
        ) from None
    trace.set_tracer_provider(provider)
    return provider


def _resource(service: str) -> Resource:
    """What this process is, as far as the standard variables do not say something else."""
    ours = Resource(
        {
            "service.name": f"antiphon-{service}",
            "service.namespace": "antiphon",
            "service.version": VERSION,
            "service.instance.id": str(uuid.uuid4()),
            "host.name": platform.node(),
        }
    )
    return Resource.create(dict(ours.merge(OTELResourceDetector().detect()).attributes))


def exemplar(span: trace.Span | None = None) -> dict[str, str] | None:
    """What joins a measurement to the trace it was made in.

    Args:
        span: that it belongs to; the current one if None. Of a turn's root that is not sampled it is known that it will be
            kept once its overruns or its failure are written on it.

    Returns:
        For ``exemplar=`` of a histogram or a counter; None where the trace is not kept.
    """
    span = span or trace.get_current_span()
    context = span.get_span_context()
    if context.trace_flags.sampled or (
        isinstance(span, ReadableSpan) and is_worth_keeping(span)
    ):
        return {"trace_id": trace.format_trace_id(context.trace_id)}
    return None


def extract(metadata: Sequence[tuple[str, str | bytes]]) -> Context:
    """The trace context that a caller sent in gRPC metadata."""
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    return propagate.extract(carrier)


def inject(
    metadata: Mapping[str, str] | None = None, context: Context | None = None
) -> tuple[tuple[str, str], ...]:
    """Metadata for a call, with the current trace context (or the given one) in it."""
    carrier = dict(metadata or {})
    propagate.inject(carrier, context)
    return tuple(carrier.items())


@contextmanager
def within(context: Context) -> Iterator[None]:
    """Have what happens inside belong to a context's span, whether that is over or not, and whoever's it is."""
    token = contexts.attach(context)
    try:
        yield
    finally:
        contexts.detach(token)


def fail(span: trace.Span, kind: str) -> None:
    """Mark a span as that of something that failed.

    Args:
        span: of whatever kind.
        kind: of failure: a status code, a stage, an outcome. Never a message: those may have words in them.
    """
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))
