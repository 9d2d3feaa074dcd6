"""Turns that overran or failed are kept, whatever is sampled."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_OFF, DEFAULT_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from services.runtime.telemetry import keeping, names, tracing
from services.runtime.telemetry.keeping import Keeping, TurnSampler


@dataclass
class Gateway:
    """A tracer before an exporter that keeps what it is given, and a clock that stands still."""

    sampler: object
    exported: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    now: float = 0.0

    def __post_init__(self) -> None:
        provider = TracerProvider(sampler=TurnSampler(self.sampler))
        self.keeping = Keeping(SimpleSpanProcessor(self.exported), lambda: self.now)
        provider.add_span_processor(self.keeping)
        self.tracer = provider.get_tracer("test")

    def begin(self, name: str, below: Span | None = None) -> Span:
        context = Context()
        if below is not None:
            context = set_span_in_context(below, context)
        return self.tracer.start_span(name, context)

    def turn(self, overruns: Sequence[str] = (), failed: bool = False) -> Span:
        """One turn, to its end."""
        turn = self.begin(names.TURN_SPAN)
        self.begin(names.GENERATE_SPAN, turn).end()
        turn.set_attribute(names.OVERRUNS, list(overruns))
        if failed:
            turn.set_status(Status(StatusCode.ERROR))
        turn.end()
        return turn

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.exported.get_finished_spans()]


WHOLE = [names.GENERATE_SPAN, names.TURN_SPAN]


def test_what_is_sampled_is_exported_at_once() -> None:
    gateway = Gateway(DEFAULT_ON)
    turn = gateway.begin(names.TURN_SPAN)
    gateway.begin(names.GENERATE_SPAN, turn).end()
    assert gateway.names == [names.GENERATE_SPAN]
    turn.end()
    assert gateway.names == WHOLE


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, DEFAULT_OFF])
@pytest.mark.parametrize("how", [{"overruns": ("llm", "total")}, {"failed": True}])
def test_a_turn_that_overran_or_failed_is_kept_whole(
    sampler: object, how: dict[str, object]
) -> None:
    gateway = Gateway(sampler)
    turn = gateway.turn(**how)
    generate, root = gateway.exported.get_finished_spans()
    assert [generate.name, root.name] == WHOLE
    assert generate.parent is not None
    assert generate.parent.span_id == turn.get_span_context().span_id
    assert root.start_time is not None and root.end_time is not None
    assert generate.context.trace_id == turn.get_span_context().trace_id


def test_what_is_kept_loses_nothing() -> None:
    gateway, linked = Gateway(ALWAYS_OFF), SpanContext(1, 2, is_remote=True)
    turn = gateway.tracer.start_span(
        names.TURN_SPAN, Context(), links=[Link(linked)], attributes={"a": 1}
    )
    turn.add_event("happened", {"b": 2}, timestamp=5)
    turn.set_attribute(names.OVERRUNS, ["stt"])
    turn.end(7)
    (kept,) = gateway.exported.get_finished_spans()
    assert kept.attributes == {"a": 1, names.OVERRUNS: ("stt",)}
    assert [(event.name, event.timestamp) for event in kept.events] == [("happened", 5)]
    assert [link.context for link in kept.links] == [linked]
    assert kept.end_time == 7
    assert kept.resource == turn.resource  # type: ignore[attr-defined]
    assert kept.instrumentation_scope.name == "test"


def test_a_turn_that_went_well_is_dropped() -> None:
    gateway = Gateway(ALWAYS_OFF)
    gateway.turn()
    assert gateway.names == []


def test_a_stage_is_told_that_its_spans_are_not_wanted() -> None:
    turn = Gateway(ALWAYS_OFF).begin(names.TURN_SPAN)
    (header,) = tracing.inject(context=set_span_in_context(turn, Context()))
    assert header[0] == "traceparent"
    assert header[1].endswith("-00") or header[1].endswith("-02")


def test_what_ends_after_its_turn_goes_the_same_way() -> None:
    gateway = Gateway(ALWAYS_OFF)
    for overruns, exported in ((["llm"], True), ([], False)):
        turn = gateway.begin(names.TURN_SPAN)
        late = gateway.begin(names.SYNTHESIZE_SPAN, turn)
        turn.set_attribute(names.OVERRUNS, overruns)
        turn.end()
        gateway.exported.clear()
        late.end()
        assert (gateway.names == [names.SYNTHESIZE_SPAN]) is exported


def test_other_traces_that_are_not_sampled_are_not_even_recorded() -> None:
    gateway = Gateway(ALWAYS_OFF)
    request = gateway.begin("POST /v1/audio/speech")
    assert not request.is_recording()
    assert not gateway.begin(names.SYNTHESIZE_SPAN, request).is_recording()
    flags = TraceFlags(TraceFlags.DEFAULT)
    remote = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=flags))
    assert not gateway.begin("antiphon.v1.X/Y", remote).is_recording()


def test_a_turn_that_does_not_end_is_let_go_after_a_while() -> None:
    gateway = Gateway(ALWAYS_OFF)
    turn = gateway.begin(names.TURN_SPAN)
    gateway.begin(names.GENERATE_SPAN, turn).end()
    gateway.now = keeping.LONGEST_SECONDS + 1
    gateway.turn()
    turn.set_attribute(names.OVERRUNS, ["total"])
    turn.end()
    assert gateway.names == [names.TURN_SPAN]


def test_no_more_is_held_than_is_allowed_and_the_oldest_goes_first() -> None:
    gateway = Gateway(ALWAYS_OFF)
    first, second = gateway.begin(names.TURN_SPAN), gateway.begin(names.TURN_SPAN)
    gateway.begin("early", first).end()
    for _ in range(keeping.MOST_SPANS):
        gateway.begin("child", second).end()
    for turn in (first, second):
        turn.set_status(Status(StatusCode.ERROR))
        turn.end()
    assert "early" not in gateway.names
    assert gateway.names.count("child") == keeping.MOST_SPANS


def test_a_measurement_is_joined_to_a_turn_as_soon_as_it_is_known_to_be_kept() -> None:
    gateway = Gateway(ALWAYS_OFF)
    turn = gateway.begin(names.TURN_SPAN)
    assert tracing.exemplar(turn) is None
    turn.set_attribute(names.OVERRUNS, ["total"])
    trace_id = format(turn.get_span_context().trace_id, "032x")
    assert tracing.exemplar(turn) == {"trace_id": trace_id}
    assert tracing.exemplar(Gateway(DEFAULT_ON).begin("any")) is not None
    assert tracing.exemplar(Gateway(ALWAYS_OFF).begin("any")) is None


def test_no_measurement_is_joined_to_a_trace_that_is_the_callers_alone() -> None:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    remote = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=sampled))
    assert tracing.exemplar(remote) is None
    assert tracing.exemplar(Gateway(DEFAULT_ON).begin("any", remote)) is not None
