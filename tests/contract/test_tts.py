"""The text-to-speech service, run on a free port, against its contract."""

import asyncio
from functools import partial

import grpc
import numpy as np
import pytest

from antiphon.v1 import audio_pb2, tts_pb2
from services.runtime.errors import (
    AntiphonError,
    DeadlineExceeded,
    EngineError,
    InvalidArgument,
    from_rpc_error,
)
from services.runtime.streams import first, send
from services.runtime.units import to_seconds
from tests.fakes.running_tts import (
    FLUSH,
    Serve,
    config,
    heard,
    kinds,
    of_kind,
    only,
    refused,
    running_voice,
    speak,
    text,
    until,
)
from tests.fakes.voice import WORD_SECONDS, ScriptedEngine

TEXTS = [
    "Sure, the **capital** of [France](http://x.y) is Paris. It costs $3.50 😀 to go there! ",
    "😀 Hello there.\n- one\n- two\n```\ncode, not. said\n```\nDone",
    "word " * 60,
]


@pytest.fixture
def serve() -> Serve:
    return running_voice


@pytest.mark.parametrize("whole", TEXTS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("word_marks", [True, False])
async def test_a_reply_is_spoken_without_gaps_and_marked_to_its_end(
    serve: Serve, whole: str, rate: int, word_marks: bool
) -> None:
    pieces = [whole[start : start + 7] for start in range(0, len(whole), 7)]
    async with serve(ScriptedEngine(word_marks=word_marks)) as stub:
        messages = await speak(stub, config(rate), *map(text, pieces))
    assert kinds(messages)[0] == "started"
    assert kinds(messages)[1] == "segment"
    assert kinds(messages)[-1] == "summary"
    (started,), (summary,) = of_kind(messages, "started"), of_kind(messages, "summary")
    assert started.format.sample_rate == rate
    assert started.format.encoding == audio_pb2.AUDIO_ENCODING_PCM_S16LE
    assert started.voice == "alto"

    samples = 0
    for number, audio in enumerate(of_kind(messages, "audio"), 1):
        assert audio.sequence == number
        assert to_seconds(audio.position) == pytest.approx(samples / rate, abs=1e-8)
        assert 0 < len(audio.samples) <= 2 * round(0.06 * rate)
        samples += len(audio.samples) // 2
    assert to_seconds(summary.audio) == pytest.approx(samples / rate, abs=1e-8)
    assert summary.characters == len(whole)

    end = 0
    for segment in of_kind(messages, "segment"):
        assert segment.start == end
        end = segment.end
    assert end == len(whole)

    heard, marked, marked_at = 0.0, 0, 0.0
    for message in messages:
        if message.WhichOneof("message") == "audio":
            heard += len(message.audio.samples) / 2 / rate
        elif message.WhichOneof("message") == "mark":
            assert message.mark.characters > marked
            assert to_seconds(message.mark.at) >= marked_at
            assert to_seconds(message.mark.at) >= heard - 1e-6
            marked, marked_at = message.mark.characters, to_seconds(message.mark.at)
    assert marked == len(whole)
    assert marked_at <= heard + 1e-8


async def test_words_are_marked_at_their_ends_in_the_source(serve: Serve) -> None:
    source = "Sure, [my dear](http://x.y) **friend**."
    async with serve() as stub:
        messages = await speak(stub, config(16_000), text(source))
    marks = [
        (mark.characters, round(to_seconds(mark.at), 6))
        for mark in of_kind(messages, "mark")
    ]
    ends = [source.index(word) + len(word) for word in ("Sure,", "my", "dear")]
    assert marks[:3] == [
        (end, pytest.approx(number * WORD_SECONDS))
        for number, end in enumerate(ends, 1)
    ]
    assert marks[-1] == (len(source), pytest.approx(4 * WORD_SECONDS))


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
async def test_all_audio_arrives_whatever_the_rate(serve: Serve, rate: int) -> None:
    async with serve() as stub:
        messages = await speak(
            stub, config(rate), text("one two three. four five six.")
        )
    samples = np.frombuffer(heard(messages), "<i2")
    assert len(samples) == pytest.approx(6 * WORD_SECONDS * rate, abs=1)
    loudest = np.abs(samples).max()
    assert loudest == pytest.approx(0.5 * 32_767, rel=0.1)


@pytest.mark.parametrize("silent", ["😀🎉", " \n ", "```", "```py\nx = 1\n```\n", "**"])
async def test_text_with_nothing_to_say_is_no_error_and_is_accounted_for(
    serve: Serve, silent: str
) -> None:
    async with serve() as stub:
        messages = await speak(stub, config(), text(silent))
    assert kinds(messages) == ["started", "segment", "mark", "summary"]
    (segment,), (mark,) = of_kind(messages, "segment"), of_kind(messages, "mark")
    assert (segment.start, segment.end, segment.spoken) == (0, len(silent), "")
    assert mark.characters == len(silent)


async def test_no_text_at_all_is_no_error(serve: Serve) -> None:
    async with serve() as stub:
        assert kinds(await speak(stub, config())) == ["started", "summary"]


async def test_the_first_clause_is_heard_before_the_rest_is_written(
    serve: Serve,
) -> None:
    async with serve() as stub:
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text("Of course, I can"))
        (segment,) = of_kind(await until(call, "audio"), "segment")
        assert segment.spoken == "Of course,"
        await call.write(text(" help you."))
        await call.done_writing()
        assert of_kind(await until(call, "summary"), "segment")[0].spoken == (
            "I can help you."
        )


async def test_a_flush_speaks_what_there_is(serve: Serve) -> None:
    async with serve() as stub:
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text("Hello"))
        await call.write(FLUSH)
        (segment,) = of_kind(await until(call, "audio"), "segment")
        assert segment.spoken == "Hello"
        await call.write(text(" again"))
        await call.done_writing()
        assert of_kind(await until(call, "summary"), "segment")[0].start == 5


async def test_characters_are_counted_as_code_points(serve: Serve) -> None:
    async with serve() as stub:
        messages = await speak(stub, config(), text("👨‍👩‍👧 naïve café"))
    assert of_kind(messages, "summary")[0].characters == 16
    assert of_kind(messages, "mark")[-1].characters == 16


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "config"),
        ([text("hello")], "config"),
        ([FLUSH], "config"),
        ([config(), config()], "config"),
        ([config(), tts_pb2.SynthesizeRequest()], "message"),
        ([config(7_000)], "config.format.sample_rate"),
        ([config(voice="nobody")], "config.voice"),
        ([config(language="fr")], "config.language"),
        ([config(speed=3)], "config.speed"),
        ([config(instructions="whisper")], "config.instructions"),
        ([config(reference=tts_pb2.ReferenceAudio())], "config.reference"),
    ],
)
async def test_what_is_not_allowed_is_refused_by_name(
    serve: Serve, requests: list[tts_pb2.SynthesizeRequest], field: str
) -> None:
    async with serve() as stub:
        error = await refused(stub, *requests)
    assert isinstance(error, InvalidArgument)
    assert error.field == field


async def test_too_much_text_is_refused(serve: Serve) -> None:
    async with serve(max_text_characters=10, max_reply_characters=15) as stub:
        for pieces in ([text("a" * 11)], [text("a" * 10), text("a" * 6)]):
            error = await refused(stub, config(), *pieces)
            assert isinstance(error, InvalidArgument)
            assert error.field == "text"
        await speak(stub, config(), text("a" * 10), text("a" * 5))


async def test_a_failing_engine_fails_one_reply_alone(serve: Serve) -> None:
    async with serve(ScriptedEngine(fails_on="choke")) as stub:
        failed, messages = await asyncio.gather(
            refused(stub, config(), text("Please choke now.")),
            speak(stub, config(), text("Please go on.")),
        )
        assert isinstance(failed, EngineError)
        assert kinds(messages)[-1] == "summary"


async def test_a_refusal_in_the_middle_of_a_message_reaches_the_caller(
    serve: Serve,
) -> None:
    # Whether the first message is still being written when the second is refused is up to chance.
    async with serve() as stub:
        for _ in range(100):
            assert isinstance(await refused(stub, config(), config()), InvalidArgument)


async def test_cancelling_frees_a_stream_that_the_client_does_not_read(
    serve: Serve,
) -> None:
    engine = ScriptedEngine()
    async with serve(engine, max_ahead_seconds=1.0) as stub:
        call = stub.Synthesize()
        await call.write(config(48_000))
        for _ in range(20):
            await call.write(text("word " * 100))
        await until(call, "audio")
        call.cancel()
        await only(stub, 0)
    assert len(engine.steps) < 20 * 100


@pytest.mark.parametrize(
    ("request_", "kind"),
    [(text("Please choke now. "), EngineError), (config(), InvalidArgument)],
)
async def test_a_failure_is_told_while_the_client_still_writes(
    serve: Serve, request_: tts_pb2.SynthesizeRequest, kind: type[AntiphonError]
) -> None:
    async with serve(ScriptedEngine(fails_on="choke")) as stub:
        call = stub.Synthesize()
        await send(call, config())
        await send(call, request_)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await until(call, "summary")
    assert isinstance(from_rpc_error(caught.value, "tts"), kind)


async def test_cancelling_stops_the_engine(serve: Serve) -> None:
    engine = ScriptedEngine(stops_at="now")
    async with serve(engine) as stub:
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text("Stop right now please, before the end."))
        await asyncio.to_thread(engine.reached.wait)
        call.cancel()
        await only(stub, 0)
        engine.go_on.set()
        await asyncio.to_thread(engine.left.wait)
    assert "please" not in engine.steps


async def test_a_reply_longer_than_the_engine_may_be_ahead_is_spoken_to_its_end(
    serve: Serve,
) -> None:
    async with serve(max_ahead_seconds=1.0) as stub:
        messages = await speak(stub, config(), text("word " * 100))
        assert to_seconds(of_kind(messages, "summary")[0].audio) == pytest.approx(
            100 * WORD_SECONDS
        )


async def test_speed_voice_and_language_reach_the_engine(serve: Serve) -> None:
    engine = ScriptedEngine()
    async with serve(engine) as stub:
        messages = await speak(
            stub, config(voice="bass", language="de", speed=1.5), text("Hallo du.")
        )
    assert of_kind(messages, "started")[0].voice == "bass"
    delivery = engine.lines[-1].delivery
    assert (delivery.voice, delivery.language, delivery.speed) == ("bass", "de", 1.5)


async def test_the_summary_tells_where_the_time_went(serve: Serve) -> None:
    async with serve() as stub:
        messages = await speak(stub, config(), text("Of course, I can."))
    summary = of_kind(messages, "summary")[0]
    assert summary.engine.engine == "piper"
    assert summary.engine.model == "script"
    assert to_seconds(summary.timings.computed) > 0
    assert to_seconds(summary.timings.first_result) > 0


async def test_describe_tells_what_there_is(serve: Serve) -> None:
    async with serve(max_streams=3) as stub:
        told = await stub.Describe(tts_pb2.TextToSpeechDescribeRequest())
    assert [voice.name for voice in told.voices] == ["alto", "bass"]
    assert list(told.voices[0].languages) == ["en-US", "en"]
    assert told.native_sample_rate == 16_000
    assert told.word_marks
    assert told.speed
    assert not told.cloning
    assert not told.instructions
    assert not told.reference_required
    assert told.capacity.streams == 3


async def test_the_engine_has_spoken_before_the_service_serves(serve: Serve) -> None:
    engine = ScriptedEngine()
    async with serve(engine):
        assert engine.steps


async def test_a_stream_that_says_nothing_gives_its_place_back(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tts.service.first", partial(first, seconds=0.05))
    async with serve(max_streams=1) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Synthesize().read()
        error = from_rpc_error(caught.value, "tts")
        assert isinstance(error, DeadlineExceeded)
        assert error.message == "tts: config: did not come within 0.05 s"
        assert await speak(stub, config(), text("Hello."))
