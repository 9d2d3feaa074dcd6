"""Work for an RPC is told of in the RPC's trace when it is over."""

import time

import pytest
from opentelemetry.trace import StatusCode

from services.runtime.errors import Cancelled, EngineError, Unavailable
from services.runtime.telemetry import names, tracing
from services.runtime.telemetry.trail import Trail, set_error
from tests.fakes.spans import recorded, seconds, told, trace_of

HALF_A_SECOND = 500_000_000


def test_what_is_over_hangs_below_the_span_in_which_it_was_asked_for() -> None:
    with recorded() as spans:
        with tracing.tracer.start_as_current_span("rpc"):
            trail = Trail()
        before = time.time_ns()
        trail.add(names.QUEUE_SPAN, 0.25, {names.WORK: "final"}, ago=0.5)
        trail.add(names.COMPUTE_SPAN, 0.5, {names.WORK: "final"})
        after = time.time_ns()
    rpc = spans.one("rpc")
    queue, compute = spans.below(rpc)
    assert (queue.name, compute.name) == ("queue", "compute")
    assert (seconds(queue), seconds(compute)) == (0.25, 0.5)
    assert queue.end_time and compute.end_time
    assert before <= queue.end_time + HALF_A_SECOND <= after
    assert before <= compute.end_time <= after
    assert told(queue) == {"antiphon.work": "final"}
    assert trail.exemplar == {"trace_id": f"{trace_of(rpc):032x}"}


def test_nothing_is_told_where_the_rpc_is_not_traced() -> None:
    with recorded() as spans:
        trail = Trail()
        trail.add(names.QUEUE_SPAN, 0.25, {})
    assert not spans and not spans.open
    assert trail.exemplar is None


@pytest.mark.parametrize(
    ("error", "type_"),
    [(EngineError("broke"), "INTERNAL"), (Unavailable("went"), "UNAVAILABLE")],
)
def test_what_failed_says_how_but_not_in_words(
    error: EngineError | Unavailable, type_: str
) -> None:
    with recorded() as spans, tracing.tracer.start_as_current_span("rpc"):
        Trail().add(names.COMPUTE_SPAN, 0.1, {}, error)
    compute = spans.one("compute")
    assert compute.status.status_code is StatusCode.ERROR
    assert told(compute) == {"error.type": type_}
    assert not compute.status.description and not compute.events


def test_a_caller_that_left_is_no_failure() -> None:
    with recorded() as spans, tracing.tracer.start_as_current_span("rpc") as span:
        set_error(span, Cancelled("the caller is gone"))
    assert spans.one("rpc").status.status_code is StatusCode.UNSET
