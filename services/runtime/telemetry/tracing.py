"""Traces: the OpenTelemetry SDK, exporting by OTLP where the standard ``OTEL_*`` variables say so, else off.

The sampler is what ``OTEL_TRACES_SAMPLER`` names, read by the SDK; `keeping` adds to it.
"""

import logging
import os
import platform
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.re import parse_env_headers

from services.runtime.errors import FailedPrecondition
from services.runtime.telemetry import names
from services.runtime.telemetry.exporting import Batches
from services.runtime.telemetry.keeping import Keeping, TurnSampler, is_worth_keeping

tracer = trace.get_tracer("antiphon")

VERSION = version("antiphon")
"""Of the package."""

PARENT = "traceparent"
"""Header, or metadata, that names the span of whoever asks, as W3C's Trace Context has it."""

_LONGEST_PARENT = 512
"""The SDK warns of longer ones, each time, and strangers can send as many as they like."""

_OTLP = "OTEL_EXPORTER_OTLP_"
_FOR_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
_EXPORTER = "OTEL_TRACES_EXPORTER"
_SAMPLER = "OTEL_TRACES_SAMPLER"
_RATIO = "OTEL_TRACES_SAMPLER_ARG"
_SAMPLERS = tuple(
    f"{prefix}{name}"
    for prefix in ("", "parentbased_")
    for name in ("always_on", "always_off", "traceidratio")
)
_context = TraceContextTextMapPropagator()


def configure(service: str) -> TracerProvider | None:
    """Start exporting traces as ``antiphon-<service>``; None where no OTLP endpoint is set.

    Shut the provider down at the end of the process, or its last spans are lost.

    Raises:
        FailedPrecondition: a variable has a value that it cannot have.
    """
    if (
        not _standard("ENDPOINT")
        or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get(_EXPORTER) == "none"
    ):
        return None
    _check()
    try:
        provider = TracerProvider(resource=_resource(service))
        provider.sampler = TurnSampler(provider.sampler)
        provider.add_span_processor(Keeping(Batches()))
    except Exception as error:  # noqa: BLE001
        # Its packages refuse values by errors of many kinds.
        raise FailedPrecondition(
            f"traces: a variable of OpenTelemetry's (OTEL_…) has a wrong value: {error}"
        ) from None
    trace.set_tracer_provider(provider)
    return provider


def _standard(name: str) -> str:
    """One of the exporter's variables: that of traces, or else that of all signals; empty where neither is set."""
    return os.environ.get(_FOR_TRACES + name) or os.environ.get(_OTLP + name, "")


def _check() -> None:
    """Refuse what would lose all spans without a word, send all where a few were meant, or write a secret into the log.

    Raises:
        FailedPrecondition: a variable has a value that it cannot have.
    """
    exporter = os.environ.get(_EXPORTER) or "otlp"
    if exporter != "otlp":
        raise FailedPrecondition(
            f"traces: {_EXPORTER} is {exporter!r}; allowed: otlp, none"
        )
    protocol = _standard("PROTOCOL") or "grpc"
    if protocol != "grpc":
        raise FailedPrecondition(
            f"traces: {_OTLP}PROTOCOL is {protocol!r}; allowed: grpc (collectors listen for it on port 4317)"
        )
    sampler = (os.environ.get(_SAMPLER) or _SAMPLERS[0]).strip().lower()
    if sampler not in _SAMPLERS:
        allowed = ", ".join(_SAMPLERS)
        raise FailedPrecondition(
            f"traces: {_SAMPLER} is {sampler!r}; allowed: {allowed}"
        )
    ratio = os.environ.get(_RATIO) or "1"
    if sampler.endswith("ratio") and not _is_share(ratio):
        raise FailedPrecondition(
            f"traces: {_RATIO} is {ratio!r}; allowed: a number from 0 to 1"
        )
    # It repeats what it cannot read, and there are keys in it.
    logging.getLogger(parse_env_headers.__module__).setLevel(logging.ERROR)
    headers = _standard("HEADERS")
    pairs = [pair for pair in headers.split(",") if pair.strip()]
    if len(parse_env_headers(headers, liberal=True)) != len(pairs):
        raise FailedPrecondition(
            f"traces: {_OTLP}HEADERS cannot be read; allowed: NAME=VALUE, with commas between them"
        )


def _is_share(said: str) -> bool:
    try:
        return 0 <= float(said) <= 1
    except ValueError:
        return False


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
    # A caller's span, or its stand-in where we make none, says nothing of what is kept here.
    if isinstance(span, ReadableSpan) and (
        context.trace_flags.sampled or is_worth_keeping(span)
    ):
        return {"trace_id": trace.format_trace_id(context.trace_id)}
    return None


def extract(metadata: Sequence[tuple[str, str | bytes]]) -> Context:
    """The trace that a caller sent in gRPC metadata, or in HTTP headers; their names in lower case.

    Of its ids alone: what strangers put beside them (``tracestate``, ``baggage``) would go on to the stages and to upstreams,
    and one that finds it too long would seem to have failed.
    """
    carrier = {
        key: value
        for key, value in metadata
        if key == PARENT and isinstance(value, str) and len(value) <= _LONGEST_PARENT
    }
    return _context.extract(carrier, Context())


def inject(
    metadata: Mapping[str, str] | None = None, context: Context | None = None
) -> tuple[tuple[str, str], ...]:
    """Metadata for a call, with the current trace context (or the given one) in it."""
    carrier = dict(metadata or {})
    _context.inject(carrier, context)
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
