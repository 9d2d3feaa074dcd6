"""The trace of a reply in the text-to-speech service: its RPC, its clauses, and what the engine did for each of them."""

import asyncio

import pytest
from opentelemetry.trace import StatusCode

from antiphon.v1 import stage_pb2
from services.runtime.errors import EngineError, Unavailable
from services.runtime.telemetry import labels, metrics, names, tracing
from services.runtime.units import to_seconds
from tests.fakes.calls import exchange
from tests.fakes.chorus import ScriptedChorus
from tests.fakes.running_tts import (
    config,
    only,
    refused,
    running_voice,
    speak,
    text,
)
from tests.fakes.spans import Spans, recorded, seconds, told
from tests.fakes.voice import WORD_SECONDS, ScriptedEngine

RPC = "antiphon.v1.TextToSpeech/Synthesize"


def error_types(spans: Spans) -> dict[str, object]:
    """Of those that failed."""
    failed = [each for each in spans if each.status.status_code is StatusCode.ERROR]
    return {each.name: told(each).get("error.type") for each in failed}


@pytest.mark.parametrize("engine", [ScriptedChorus(), ScriptedEngine()])
async def test_clauses_hang_below_the_rpc_and_the_engines_work_below_them(
    engine: ScriptedChorus | ScriptedEngine,
) -> None:
    turn = stage_pb2.TurnRef(conversation_id="c-1", turn=3, revision=2)
    with recorded() as spans:
        async with running_voice(engine) as stub:
            with tracing.tracer.start_as_current_span("synthesize"):
                call = stub.Synthesize(metadata=tracing.inject())
            # What cannot be spoken is no clause.
            requests = [
                config(turn=turn),
                text("Of course, I can help you.\n```\nx = 1\n```\n"),
            ]
            summary = (await exchange(call, requests))[-1].summary
        await spans.all_ended(8)
    (rpc,) = spans.below(spans.one("synthesize"))
    assert rpc.name == RPC
    assert told(rpc)["antiphon.turn.number"] == 3
    clauses = spans.below(rpc)
    assert [told(each) for each in clauses] == [
        {
            "antiphon.clause": number,
            "antiphon.audio.seconds": pytest.approx(words * WORD_SECONDS),
        }
        for number, words in enumerate((2, 4))
    ]
    computed = 0.0
    for clause, work in zip(clauses, ("first", "rest"), strict=True):
        assert clause.name == "clause"
        (first_audio,) = clause.events
        assert first_audio.name == "first_audio"
        queue, compute = spans.below(clause)
        assert (queue.name, compute.name) == ("queue", "compute")
        assert told(queue) == {"antiphon.work": work}
        said = dict(told(compute))
        step_seconds = said.pop("antiphon.compute.seconds")
        assert isinstance(step_seconds, float)
        assert 0 < step_seconds <= seconds(compute) + 1e-6
        computed += step_seconds
        assert said == {
            "antiphon.work": work,
            "antiphon.batch.size": 1,
            "antiphon.audio.seconds": pytest.approx(
                told(clause)["antiphon.audio.seconds"]
            ),
            "antiphon.compute.outcome": "done",
        }
    assert computed == pytest.approx(to_seconds(summary.timings.computed), abs=1e-6)
    assert len(spans) == 8
    written = "".join(span.to_json() for span in spans)
    assert not [word for word in ("course", "help") if word in written]


async def test_a_clause_begins_when_its_text_is_complete_not_when_it_is_spoken() -> (
    None
):
    engine = ScriptedChorus(stops_at="course")
    with recorded() as spans:
        async with running_voice(engine) as stub:
            speaking = asyncio.create_task(
                speak(stub, config(), text("Of course, I can help you."))
            )
            await asyncio.to_thread(engine.reached.wait)
            engine.go_on.set()
            await speaking
        await spans.all_ended(7)
    first, second = spans.named("clause")
    assert first.end_time and second.start_time
    assert second.start_time < first.end_time
    (queue, _) = spans.below(second)
    assert queue.start_time and first.end_time <= queue.start_time


async def test_a_cancelled_reply_leaves_no_span_open() -> None:
    engine = ScriptedChorus(stops_at="stop")
    with recorded() as spans:
        async with running_voice(engine, first_clause_words=9) as stub:
            call = stub.Synthesize()
            await call.write(config())
            await call.write(text("please stop talking right now. And so on."))
            await asyncio.to_thread(engine.reached.wait)
            call.cancel()
            await only(stub, 0)
            engine.go_on.set()
            await spans.all_ended(4)
    rpc = spans.one(RPC)
    assert told(rpc)[names.RPC_STATUS_CODE] == "CANCELLED"
    # The clause behind it was never begun.
    (clause,) = spans.below(rpc)
    (_, compute) = spans.below(clause)
    assert told(compute)["antiphon.compute.outcome"] == "dropped"
    assert error_types(spans) == {}


async def test_a_line_that_fails_says_so_up_to_its_rpc_and_no_other_does() -> None:
    engine = ScriptedChorus(fails_on="choke")
    with recorded() as spans:
        async with running_voice(engine) as stub:
            failed, _ = await asyncio.gather(
                refused(stub, config(), text("Please choke now.")),
                speak(stub, config(), text("Please go on.")),
            )
            await spans.all_ended(8)
    assert isinstance(failed, EngineError)
    assert error_types(spans) == dict.fromkeys((RPC, "clause", "compute"), "INTERNAL")
    outcomes = [
        told(each)["antiphon.compute.outcome"] for each in spans.named("compute")
    ]
    assert sorted(map(str, outcomes)) == ["done", "failed"]


async def test_a_lost_engine_is_told_by_those_who_spoke() -> None:
    with recorded() as spans:
        async with running_voice(ScriptedChorus(lost_on="oh")) as stub:
            failed = await refused(stub, config(), text("Oh dear."))
            await spans.all_ended(4)
    assert isinstance(failed, Unavailable)
    assert error_types(spans) == dict.fromkeys(
        (RPC, "clause", "compute"), "UNAVAILABLE"
    )


async def test_the_first_audio_is_known_by_its_trace() -> None:
    with recorded() as spans:
        async with running_voice(ScriptedChorus()) as stub:
            await speak(stub, config(), text("Hello there."))
        await spans.all_ended(4)
    context = spans.one(RPC).get_span_context()
    assert context is not None
    (family,) = metrics.FIRST_AUDIO.labels("piper").collect()
    exemplars = [each.exemplar.labels for each in family.samples if each.exemplar]
    assert {"trace_id": f"{context.trace_id:032x}"} in exemplars


async def test_all_kinds_of_work_are_measured_from_the_start() -> None:
    metrics.REAL_TIME_FACTOR.clear()
    async with running_voice(ScriptedChorus()):
        (family,) = metrics.REAL_TIME_FACTOR.collect()
        begun = {
            each.labels["work"]: each.value
            for each in family.samples
            if each.name.endswith("_count") and each.labels["stage"] == "tts"
        }
    assert begun == dict.fromkeys(labels.LINES, 0.0)
