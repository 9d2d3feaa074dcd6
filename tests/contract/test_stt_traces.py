"""The trace of an utterance in the speech-to-text service: its RPC, and below it what the engine did for it."""

import asyncio
from typing import Any

import grpc
import pytest
from opentelemetry.trace import StatusCode

from antiphon.v1 import stage_pb2, stt_pb2
from services.runtime.telemetry import labels, metrics, names, tracing
from services.runtime.units import to_seconds
from tests.fakes.calls import exchange
from tests.fakes.engines import WORDS, ScriptedRecognizer, say, silence
from tests.fakes.running_stt import (
    audio,
    checkpoint,
    config,
    responses,
    rest,
    running_recognizer,
)
from tests.fakes.spans import recorded, seconds, told

RPC = "antiphon.v1.SpeechToText/Transcribe"


async def test_the_engines_work_hangs_below_the_rpc_and_that_below_its_caller() -> None:
    turn = stage_pb2.TurnRef(conversation_id="c-1", turn=3, revision=2)
    with recorded() as spans:
        async with running_recognizer(ScriptedRecognizer()) as stub:
            with tracing.tracer.start_as_current_span("transcribe"):
                call = stub.Transcribe(metadata=tracing.inject())
            requests = [
                config(turn=turn),
                *audio(say("one two")),
                checkpoint(1),
                *audio(silence(0.2) + say("three")),
            ]
            final = (await exchange(call, requests))[-1].final
        await spans.all_ended(6)
    (rpc,) = spans.below(spans.one("transcribe"))
    assert rpc.name == RPC
    assert told(rpc)["antiphon.engine"] == "scripted"
    assert told(rpc)["antiphon.turn.number"] == 3
    below = spans.below(rpc)
    assert [(each.name, told(each)["antiphon.work"]) for each in below] == [
        ("queue", "checkpoint"),
        ("compute", "checkpoint"),
        ("queue", "final"),
        ("compute", "final"),
    ]
    computed = [each for each in below if each.name == "compute"]
    assert [told(each)["antiphon.audio.seconds"] for each in computed] == (
        pytest.approx([0.66, 1.16])
    )
    timings = final.timings
    assert sum(map(seconds, computed)) == pytest.approx(
        to_seconds(timings.computed), abs=1e-6
    )
    assert len(spans) == 6
    written = "".join(span.to_json() for span in spans)
    assert not [word for word in WORDS if f'"{word}' in written]


async def test_partials_that_ran_are_told_and_no_others() -> None:
    engine = ScriptedRecognizer()
    with recorded() as spans:
        async with running_recognizer(engine, partial_interval_seconds=0.3) as stub:
            call: Any = stub.Transcribe()
            await call.write(config(interim_results=True))
            for word in ("one", "two", "three"):
                for request in audio(say(word) + silence(0.1)):
                    await call.write(request)
                await call.read()
            await call.done_writing()
            await rest(call)
        await spans.all_ended()
    computed = spans.named("compute")
    assert len(computed) == len(engine.batches)
    assert [told(each)["antiphon.work"] for each in computed[:3]] == ["partial"] * 3
    assert len(spans.named("queue")) == len(computed)


async def test_a_cancelled_stream_leaves_no_span_open() -> None:
    engine = ScriptedRecognizer()
    engine.hold()
    with recorded() as spans:
        async with running_recognizer(engine) as stub:
            call: Any = stub.Transcribe()
            for request in [config(), *audio(say("one")), checkpoint(1)]:
                await call.write(request)
            await engine.entered()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call.read()
            describe = stt_pb2.SpeechToTextDescribeRequest()
            while (await stub.Describe(describe)).capacity.open:
                pass
            engine.release()
            await responses(stub, config(), *audio(say("two")))
        await spans.all_ended()
    cancelled, answered = spans.named(RPC)
    assert told(cancelled)[names.RPC_STATUS_CODE] == "CANCELLED"
    queue, compute = spans.below(cancelled)
    assert told(compute)["antiphon.compute.outcome"] == "dropped"
    assert {each.status.status_code for each in (cancelled, queue, compute)} == {
        StatusCode.UNSET
    }
    assert told(spans.below(answered)[-1])["antiphon.compute.outcome"] == "done"


async def test_an_engines_failure_is_one_of_the_rpc_and_of_the_batch() -> None:
    engine = ScriptedRecognizer()
    engine.fail_on = "nine"
    with recorded() as spans:
        async with running_recognizer(engine) as stub:
            with pytest.raises(grpc.aio.AioRpcError):
                await responses(stub, config(), *audio(say("nine")))
        await spans.all_ended(3)
    queue, compute = spans.below(spans.one(RPC))
    for failed in (spans.one(RPC), compute):
        assert failed.status.status_code is StatusCode.ERROR
        assert told(failed)["error.type"] == "INTERNAL"
    assert queue.status.status_code is StatusCode.UNSET


async def test_all_kinds_of_work_are_measured_from_the_start() -> None:
    metrics.REAL_TIME_FACTOR.clear()
    async with running_recognizer(ScriptedRecognizer()):
        (family,) = metrics.REAL_TIME_FACTOR.collect()
        begun = {
            each.labels["work"]: each.value
            for each in family.samples
            if each.name.endswith("_count") and each.labels["stage"] == "stt"
        }
    assert begun == dict.fromkeys(labels.TRANSCRIPTS, 0.0)
