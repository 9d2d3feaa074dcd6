"""The speech-to-text service, run on a free port, against its contract."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import pairwise
from typing import Any

import grpc
import pytest

from antiphon.v1 import audio_pb2, stage_pb2, stt_pb2, stt_pb2_grpc
from services.runtime.admission import Admission
from services.runtime.errors import (
    DeadlineExceeded,
    Full,
    InvalidArgument,
    from_rpc_error,
)
from services.runtime.server import bind, create_server
from services.runtime.streams import first
from services.runtime.units import to_seconds
from services.stt.engines import ENGINES
from services.stt.service import SpeechToTextService
from services.stt.settings import SpeechToTextSettings
from tests.fakes.engines import ScriptedRecognizer, say, silence
from tests.fakes.running_stt import (
    audio,
    checkpoint,
    config,
    responses,
    rest,
    running_recognizer,
)

Serve = Callable[..., AbstractAsyncContextManager["stt_pb2_grpc.SpeechToTextAsyncStub"]]


@pytest.fixture
def engine() -> ScriptedRecognizer:
    return ScriptedRecognizer()


@pytest.fixture
def serve(engine: ScriptedRecognizer) -> Serve:
    return partial(running_recognizer, engine)


async def refused(
    stub: "stt_pb2_grpc.SpeechToTextAsyncStub", *requests: stt_pb2.TranscribeRequest
) -> str:
    """The field that a stream is refused for."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await responses(stub, *requests)
    error = from_rpc_error(caught.value, "stt")
    assert isinstance(error, InvalidArgument), error
    return error.field


async def test_a_stream_ends_with_one_final_that_has_words_times_and_timings(
    serve: Serve,
) -> None:
    async with serve() as stub:
        told = await responses(stub, config(), *audio(say("one two three")))
    (final,) = [each.final for each in told]
    assert final.transcript.text == "one two three"
    assert [word.text for word in final.transcript.words] == ["one", "two", "three"]
    times = [to_seconds(word.start) for word in final.transcript.words]
    assert times == pytest.approx([0.0, 0.36, 0.72], abs=0.021)
    assert final.transcript.language == "en"
    assert to_seconds(final.audio) == pytest.approx(1.02)
    assert final.from_checkpoint == 0
    assert (final.engine.engine, final.engine.model) == ("scripted", "scripted")
    assert to_seconds(final.timings.computed) > 0
    assert to_seconds(final.timings.first_result) > 0


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 44_100, 48_000])
async def test_any_sample_rate_is_heard(serve: Serve, rate: int) -> None:
    async with serve() as stub:
        told = await responses(
            stub, config(rate), *audio(say("four five six", rate)), checkpoint(1)
        )
    checkpointed, final = told[0].checkpointed, told[1].final
    assert checkpointed.transcript.text == "four five six"
    end = to_seconds(checkpointed.transcript.words[-1].end)
    assert end == pytest.approx(1.02, abs=0.021), "the filter's delay is not lost"
    assert final.from_checkpoint == 1


async def test_the_final_after_a_checkpoint_and_nothing_is_that_checkpoints(
    serve: Serve, engine: ScriptedRecognizer
) -> None:
    async with serve() as stub:
        told = await responses(
            stub, config(), *audio(say("one two")), checkpoint(1), checkpoint(5)
        )
    assert [each.WhichOneof("message") for each in told] == [
        "checkpointed",
        "checkpointed",
        "final",
    ]
    assert [each.checkpointed.id for each in told[:2]] == [1, 5]
    assert told[2].final.transcript == told[0].checkpointed.transcript
    assert told[2].final.from_checkpoint == 5
    assert len(engine.batches) == 1


async def test_the_final_after_more_words_is_decoded_anew(serve: Serve) -> None:
    async with serve() as stub:
        told = await responses(
            stub,
            config(),
            *audio(say("one")),
            checkpoint(1),
            *audio(silence(0.3) + say("two")),
        )
    assert told[0].checkpointed.transcript.text == "one"
    assert to_seconds(told[0].checkpointed.audio_processed) == pytest.approx(0.3)
    assert told[-1].final.transcript.text == "one two"
    assert told[-1].final.from_checkpoint == 0


async def test_partials_are_sent_when_asked_for_and_grow_stable(
    serve: Serve, engine: ScriptedRecognizer
) -> None:
    async with serve(partial_interval_seconds=0.3) as stub:
        call: Any = stub.Transcribe()
        await call.write(config(interim_results=True))
        partials = []
        for words in ("one", "two", "three"):
            for request in audio(say(words) + silence(0.1)):
                await call.write(request)
            partials.append((await call.read()).partial)
        await call.done_writing()
        final = (await rest(call))[-1].final
    assert partials[0].text == "one"
    assert partials[0].stable_characters == 0
    for before, after in pairwise(partials):
        assert after.text.startswith(before.text)
        assert to_seconds(after.audio_processed) > to_seconds(before.audio_processed)
    assert partials[-1].stable_characters >= len("one")
    assert final.transcript.text == "one two three"


async def test_no_partials_unless_asked_for(serve: Serve) -> None:
    async with serve(partial_interval_seconds=0.1, early_seconds=0.05) as stub:
        told = await responses(stub, config(), *audio(say("one") + silence(0.3)))
    assert [each.WhichOneof("message") for each in told] == ["final"]


async def test_an_utterance_without_audio_has_an_empty_final(
    serve: Serve, engine: ScriptedRecognizer
) -> None:
    async with serve() as stub:
        (told,) = await responses(stub, config())
    assert told.final.transcript.text == ""
    assert not engine.batches


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "config"),
        (audio(silence(0.04)), "config"),
        ([stt_pb2.TranscribeRequest()], "config"),
        ([config(), config()], "config"),
        ([config(), stt_pb2.TranscribeRequest()], "message"),
        ([config(format=None)], "config.format"),
        (
            [config(format=audio_pb2.AudioFormat(encoding=7))],  # type: ignore[arg-type]
            "config.format.encoding",
        ),
        ([config(7_999)], "config.format.sample_rate"),
        ([config(48_001)], "config.format.sample_rate"),
        ([config(language="xx")], "config.language"),
        ([config(hint_phrases=["a"] * 65)], "config.hint_phrases"),
        ([config(hint_phrases=["a" * 101])], "config.hint_phrases"),
        (
            [config(turn=stage_pb2.TurnRef(conversation_id="a b"))],
            "config.turn.conversation_id",
        ),
        ([config(), *audio(b"123")], "audio.samples"),
        (
            [
                config(8_000),
                stt_pb2.TranscribeRequest(
                    audio=audio_pb2.AudioChunk(samples=bytes(160_002))
                ),
            ],
            "audio.samples",
        ),
        ([config(), checkpoint(0)], "checkpoint.id"),
        ([config(), checkpoint(2), checkpoint(2)], "checkpoint.id"),
    ],
)
async def test_what_the_contract_forbids_is_refused_by_field(
    serve: Serve, requests: list[stt_pb2.TranscribeRequest], field: str
) -> None:
    async with serve() as stub:
        assert await refused(stub, *requests) == field


async def test_more_than_the_longest_utterance_is_refused(serve: Serve) -> None:
    async with serve(longest_utterance_seconds=1.0) as stub:
        assert await refused(stub, config(), *audio(silence(1.04))) == "audio.samples"
        assert len(await responses(stub, config(), *audio(silence(1.0)))) == 1


async def test_hints_are_refused_where_the_engine_takes_none() -> None:
    deaf = ScriptedRecognizer(hint_phrases=False)
    async with running_recognizer(deaf) as stub:
        assert await refused(stub, config(hint_phrases=["a"])) == "config.hint_phrases"
        described = await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
    assert not described.hint_phrases


async def test_the_language_is_detected_unless_it_is_said() -> None:
    polyglot = ScriptedRecognizer(languages=("auto", "en", "de"))
    async with running_recognizer(polyglot) as stub:
        (detected,) = await responses(stub, config(), *audio(say("one")))
        (said,) = await responses(stub, config(language="de"), *audio(say("one")))
    assert polyglot.batches[0][0].language == "auto"
    assert detected.final.transcript.language == "en"
    assert said.final.transcript.language == "de"


async def test_a_replica_that_has_not_loaded_its_model_is_unavailable(
    engine: ScriptedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "scripted", lambda options: engine)
    settings = SpeechToTextSettings(engine="scripted", port=0)
    service = SpeechToTextService(settings)
    service.admission = Admission(settings.max_streams)
    server = create_server(settings, service.admission)
    service.register(server)
    port = bind(server, settings)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = stt_pb2_grpc.SpeechToTextStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await responses(stub, config())
    await server.stop(None)
    await service.stop()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_describe_says_what_the_replica_can_do(
    serve: Serve, engine: ScriptedRecognizer
) -> None:
    async with serve(max_streams=3, longest_utterance_seconds=60) as stub:
        call = stub.Transcribe()
        await call.write(config())
        for request in audio(say("one")):
            await call.write(request)
        await call.write(checkpoint(1))
        await call.read()
        told = await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
        call.cancel()
    assert engine.warm
    assert told.engine == stage_pb2.EngineInfo(engine="scripted", model="scripted")
    assert list(told.languages) == ["en"]
    assert told.native_sample_rate == 16_000
    assert told.word_times and told.confidence and told.hint_phrases
    assert (told.capacity.streams, told.capacity.open) == (3, 1)
    assert to_seconds(told.longest_utterance) == 60


async def test_the_stream_above_capacity_is_told_that_the_replica_is_full(
    serve: Serve,
) -> None:
    async with serve(max_streams=1) as stub:
        first = stub.Transcribe()
        await first.write(config())
        await first.write(checkpoint(1))
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await responses(stub, config())
        assert isinstance(from_rpc_error(caught.value, "stt"), Full)
        await first.done_writing()
        assert (await rest(first))[-1].HasField("final")
        assert len(await responses(stub, config())) == 1


async def test_an_engine_failure_ends_its_own_streams_and_no_other(
    serve: Serve, engine: ScriptedRecognizer
) -> None:
    engine.fail_on = "nine"
    async with serve() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await responses(stub, config(), *audio(say("nine")), checkpoint(1))
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        told = await responses(stub, config(), *audio(say("one")))
    assert told[-1].final.transcript.text == "one"


async def test_cancelling_takes_the_work_back(
    serve: Serve, engine: ScriptedRecognizer
) -> None:
    async with serve(max_batch=1) as stub:
        engine.hold()
        running, waiting = stub.Transcribe(), stub.Transcribe()
        await running.write(config())
        for request in [*audio(say("one")), checkpoint(1)]:
            await running.write(request)
        await engine.entered()
        await waiting.write(config())
        await waiting.write(checkpoint(1))
        await waiting.read()
        for request in [*audio(say("two")), checkpoint(2)]:
            await waiting.write(request)
        running.cancel()
        waiting.cancel()
        for call in (running, waiting):
            with pytest.raises(asyncio.CancelledError):
                await call.read()
        while (
            await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
        ).capacity.open:
            pass
        assert not engine.batches[0][0].wanted()
        engine.release()
        told = await responses(stub, config(), *audio(say("three")))
    assert told[-1].final.transcript.text == "three"
    assert len(engine.batches) == 2, "what waited was never decoded"


async def test_a_stream_that_says_nothing_gives_its_place_back(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.stt.service.first", partial(first, seconds=0.05))
    async with serve(max_streams=1) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Transcribe().read()
        error = from_rpc_error(caught.value, "stt")
        assert isinstance(error, DeadlineExceeded)
        assert error.message == "stt: config: did not come within 0.05 s"
        assert await responses(stub, config(), *audio(say("one")))


@pytest.mark.parametrize(
    ("measured", "max_streams", "capacity"),
    [(3, None, 3), (3, 2, 2), (3, 5, 5), (0, None, 1), (None, None, 8)],
)
async def test_as_many_are_carried_as_were_measured_unless_the_operator_says(
    serve: Serve,
    engine: ScriptedRecognizer,
    measured: int | None,
    max_streams: int | None,
    capacity: int,
) -> None:
    engine.measured = measured
    async with serve(max_streams=max_streams) as stub:
        described = await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
    assert described.capacity.streams == capacity
