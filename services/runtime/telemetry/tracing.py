"""Traces: the OpenTelemetry SDK, exporting by OTLP where the standard ``OTEL_*`` variables say so, else off."""

import os
from collections.abc import Mapping, Sequence

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracer = trace.get_tracer("antiphon")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def configure(service: str) -> TracerProvider | None:
    """Start exporting traces as ``antiphon-<service>``; None where no OTLP endpoint is set.

    Shut the provider down at the end of the process, or its last spans are lost.
    """
    if (
        not any(os.environ.get(name) for name in _ENDPOINTS)
        or os.environ.get("OTEL_SDK_DISABLED") == "true"
    ):
        return None
    resource = Resource.create(
        {"service.name": os.environ.get("OTEL_SERVICE_NAME") or f"antiphon-{service}"}
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def exemplar(span: trace.Span | None = None) -> dict[str, str] | None:
    """What joins a measurement to the trace it was made in.

    Args:
        span: that it belongs to; the current one if None.

    Returns:
        For ``exemplar=`` of a histogram or a counter; None where the trace is not kept.
    """
    context = (span or trace.get_current_span()).get_span_context()
    if not context.trace_flags.sampled:
        return None
    return {"trace_id": trace.format_trace_id(context.trace_id)}


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
