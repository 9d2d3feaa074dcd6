"""What each utterance tells of its way through the engine, in the trace of the RPC that asked."""

from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY

from services.runtime.errors import EngineError, Unavailable
from services.runtime.telemetry import metrics, tracing
from services.stt.job import Job, Work
from services.stt.scheduler import Scheduler
from tests.fakes.engines import ScriptedRecognizer
from tests.fakes.spans import Spans, recorded, seconds, told, trace_of
from tests.unit.stt import asking

pytestmark = pytest.mark.usefixtures("held")


def ask(scheduler: Scheduler, work: Work, text: str) -> Job:
    """Ask in an RPC that bears the text's name, and is over as soon as it has asked."""
    with tracing.tracer.start_as_current_span(text):
        return asking.ask(scheduler, work, text)


def steps(spans: Spans, text: str) -> list[tuple[str, str, str, str]]:
    """What is told below an RPC: name, work, outcome, error."""
    return [
        (
            span.name,
            str(told(span)["antiphon.work"]),
            str(told(span).get("antiphon.compute.outcome", "")),
            str(told(span).get("error.type", "")),
        )
        for span in spans.below(spans.one(text))
    ]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def at(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None and span.end_time is not None
    return span.start_time, span.end_time


async def test_two_of_one_batch_have_a_span_each_in_their_own_trace(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    with recorded() as spans:
        jobs = [ask(scheduler, Work.FINAL, text) for text in ("one", "two three four")]
        engine.release()
        for job in jobs:
            await job.result()
        await spans.all_ended(6)
    first, second = (spans.one(text) for text in ("one", "two three four"))
    assert trace_of(first) != trace_of(second)
    for rpc, job, audio in zip((first, second), jobs, (0.3, 1.02), strict=True):
        queue, compute = spans.below(rpc)
        assert (queue.name, compute.name) == ("queue", "compute")
        assert told(queue) == {"antiphon.work": "final"}
        assert told(compute) == {
            "antiphon.work": "final",
            "antiphon.batch.size": 2,
            "antiphon.audio.seconds": pytest.approx(audio),
            "antiphon.compute.outcome": "done",
        }
        assert seconds(queue) == pytest.approx(job.queued, abs=1e-6)
        assert seconds(compute) == pytest.approx(job.computed, abs=1e-6)


async def test_a_partial_that_made_way_tells_of_both_its_beginnings(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    postponed = value("antiphon_partials_postponed_total")
    with recorded() as spans:
        partial = ask(scheduler, Work.PARTIAL, "one")
        await engine.entered()
        final = ask(scheduler, Work.FINAL, "two")
        await engine.entered()
        engine.release()
        await final.result()
        await partial.result()
        await spans.all_ended(8)
    assert steps(spans, "one") == [
        ("queue", "partial", "", ""),
        ("compute", "partial", "postponed", ""),
        ("queue", "partial", "", ""),
        ("compute", "partial", "done", ""),
    ]
    below = [at(span) for span in spans.below(spans.one("one"))]
    assert all(end <= start for (_, end), (start, _) in pairwise(below))
    assert value("antiphon_partials_postponed_total") == postponed + 1


async def test_what_nobody_needs_any_more_leaves_nothing_open(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    with recorded() as spans:
        running = ask(scheduler, Work.CHECKPOINT, "one")
        await engine.entered()
        waiting = ask(scheduler, Work.FINAL, "two")
        unneeded = ask(scheduler, Work.PARTIAL, "three")
        for job in (running, waiting, unneeded):
            job.cancel()
        last = ask(scheduler, Work.FINAL, "four")
        engine.release()
        await last.result()
        await spans.all_ended(9)
    assert steps(spans, "one") == [
        ("queue", "checkpoint", "", ""),
        ("compute", "checkpoint", "dropped", ""),
    ]
    # Somebody had waited for this one, and this is how long.
    assert steps(spans, "two") == [("queue", "final", "", "")]
    assert steps(spans, "three") == []
    codes = {span.status.status_code for span in spans}
    assert codes == {StatusCode.UNSET}


async def test_a_batch_that_failed_is_told_before_what_each_did_alone(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.fail_on = "nine"
    engine.release()
    with recorded() as spans:
        fine, bad = (ask(scheduler, Work.FINAL, text) for text in ("one", "nine"))
        assert (await fine.result()).text == "one"
        with pytest.raises(EngineError):
            await bad.result()
        await spans.all_ended(10)
    for text, outcome, error in (("one", "done", ""), ("nine", "failed", "INTERNAL")):
        assert steps(spans, text) == [
            ("queue", "final", "", ""),
            ("compute", "final", "failed", "INTERNAL"),
            ("queue", "final", "", ""),
            ("compute", "final", outcome, error),
        ]
        sizes = [
            told(span)["antiphon.batch.size"]
            for span in spans.below(spans.one(text))
            if span.name == "compute"
        ]
        assert sizes == [2, 1]
    failed = [span for span in spans if "error.type" in told(span)]
    assert {span.status.status_code for span in failed} == {StatusCode.ERROR}


async def test_of_a_lost_engine_those_tell_who_ran_and_those_who_waited(
    engine: ScriptedRecognizer,
) -> None:
    engine.lost = True
    engine.release()
    scheduler = Scheduler(lambda: engine, 1)
    await scheduler.start()
    with recorded() as spans:
        jobs = [ask(scheduler, Work.FINAL, text) for text in ("one", "two")]
        for job in jobs:
            with pytest.raises(Unavailable):
                await job.result()
        await spans.all_ended(5)
    await scheduler.stop()
    assert steps(spans, "one") == [
        ("queue", "final", "", ""),
        ("compute", "final", "failed", "UNAVAILABLE"),
    ]
    assert steps(spans, "two") == [("queue", "final", "", "UNAVAILABLE")]


async def test_each_wait_is_counted_once_however_often_it_began(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    labels = {"stage": "stt", "work": "partial"}
    count = value("antiphon_queue_wait_seconds_count", **labels)
    total = value("antiphon_queue_wait_seconds_sum", **labels)
    partial = ask(scheduler, Work.PARTIAL, "one")
    await engine.entered()
    final = ask(scheduler, Work.FINAL, "two")
    await engine.entered()
    engine.release()
    await final.result()
    await partial.result()
    assert value("antiphon_queue_wait_seconds_count", **labels) == count + 2
    waited = value("antiphon_queue_wait_seconds_sum", **labels) - total
    assert waited == pytest.approx(partial.queued)


async def test_the_real_time_factor_is_of_what_was_transcribed_and_known_by_its_trace(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.fail_on = "nine"
    labels = {"stage": "stt", "work": "checkpoint"}
    count = value("antiphon_real_time_factor_count", **labels)
    total = value("antiphon_real_time_factor_sum", **labels)
    with recorded() as spans:
        bad = ask(scheduler, Work.CHECKPOINT, "nine")
        engine.release()
        with pytest.raises(EngineError):
            await bad.result()
        job = ask(scheduler, Work.CHECKPOINT, "one two")
        await job.result()
        await spans.all_ended(6)
    assert value("antiphon_real_time_factor_count", **labels) == count + 1
    factor = value("antiphon_real_time_factor_sum", **labels) - total
    assert factor == pytest.approx(job.computed / 0.66)
    trace_id = f"{trace_of(spans.one('one two')):032x}"
    for metric in (metrics.QUEUE_WAIT, metrics.COMPUTE, metrics.REAL_TIME_FACTOR):
        (family,) = metric.labels("stt", "checkpoint").collect()
        exemplars = [each.exemplar.labels for each in family.samples if each.exemplar]
        assert {"trace_id": trace_id} in exemplars
