"""The text-to-speech service with an engine that says several lines in one step."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from antiphon.v1 import audio_pb2, tts_pb2
from services.runtime.errors import EngineError, Full, InvalidArgument, Unavailable
from services.runtime.units import to_seconds
from tests.fakes.chorus import ScriptedChorus
from tests.fakes.running_tts import (
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
from tests.fakes.voice import WORD_SECONDS

TEXTS = [
    f"Number {number}, as I said, is here. " + "And it goes on and on. " * (number % 4)
    for number in range(16)
]


def told(messages: list[tts_pb2.SynthesizeResponse]) -> list[Any]:
    """All that a client got but for the summary, whose timings differ."""
    return [each for each in messages if each.WhichOneof("message") != "summary"]


def batches_beyond_one() -> float:
    """Steps of several lines so far, as the metric counts them."""
    counted = 0.0
    for work in ("first", "rest"):
        labels = {"stage": "tts", "work": work}
        count = REGISTRY.get_sample_value("antiphon_batch_size_count", labels) or 0
        one = REGISTRY.get_sample_value(
            "antiphon_batch_size_bucket", {**labels, "le": "1.0"}
        )
        counted += count - (one or 0)
    return counted


@pytest.mark.parametrize("batch", [16, 5])
async def test_sixteen_replies_at_once_are_the_same_as_one_at_a_time(
    batch: int,
) -> None:
    async with running_voice(ScriptedChorus(), max_streams=16) as stub:
        alone = [await speak(stub, config(), text(each)) for each in TEXTS]
    engine = ScriptedChorus(batch, stops_at="number")
    before = batches_beyond_one()
    async with running_voice(engine, max_streams=16) as stub:
        calls = [stub.Synthesize() for _ in TEXTS]
        beginnings = []
        for call, each in zip(calls, TEXTS, strict=True):
            await call.write(config())
            await call.write(text(each))
            await call.done_writing()
            beginnings.append(await until(call, "segment"))
        engine.go_on.set()
        rests = await asyncio.gather(*(until(call, "summary") for call in calls))
    together = [
        beginning + rest for beginning, rest in zip(beginnings, rests, strict=True)
    ]
    assert [told(each) for each in together] == [told(each) for each in alone]
    assert batch // 2 < max(engine.sizes) <= batch
    # Each step is work here: a line is read in its first one, and ends with its last word.
    assert batches_beyond_one() - before == sum(size > 1 for size in engine.sizes)


async def test_the_first_audio_comes_before_the_last_text_is_sent() -> None:
    async with running_voice(ScriptedChorus()) as stub:
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text("Of course, I can"))
        (segment,) = of_kind(await until(call, "audio"), "segment")
        assert segment.spoken == "Of course,"
        await call.write(text(" help you."))
        await call.done_writing()
        rest = await until(call, "summary")
    assert of_kind(rest, "segment")[0].spoken == "I can help you."


async def test_a_cancelled_reply_gives_its_place_back_before_the_next_step() -> None:
    engine = ScriptedChorus(stops_at="stop")
    async with running_voice(engine, first_clause_words=9) as stub:
        other = asyncio.create_task(
            speak(stub, config(), text("this one goes on to its end"))
        )
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text("please stop talking right now. "))
        await asyncio.to_thread(engine.reached.wait)
        call.cancel()
        await only(stub, 1)
        held = len(engine.events)
        engine.go_on.set()
        assert kinds(await other)[-1] == "summary"
    after = engine.events[held:]
    assert after[0] == ("close", "please stop talking right now.")
    assert not any(
        "please" in line for kind, lines in after if kind == "step" for line in lines
    )


async def test_one_line_that_fails_takes_no_other_with_it() -> None:
    engine = ScriptedChorus(fails_on="choke")
    async with running_voice(engine) as stub:
        failed, messages = await asyncio.gather(
            refused(stub, config(), text("Please choke now.")),
            speak(stub, config(), text("Please go on to the end.")),
        )
    assert isinstance(failed, EngineError)
    assert "choked" in failed.message
    assert kinds(messages)[-1] == "summary"
    assert ("close", "Please choke now.") in engine.events


async def test_a_step_that_fails_fails_those_in_it_and_nobody_else() -> None:
    engine = ScriptedChorus(batch=2, breaks_on="break", stops_at="break")
    texts = ("It will break now.", "b is with it.", "c comes behind it.")
    async with running_voice(engine, first_clause_words=9) as stub:
        breaking = asyncio.create_task(refused(stub, config(), text(texts[0])))
        await asyncio.to_thread(engine.reached.wait)
        others = [
            asyncio.create_task(speak(stub, config(), text(each))) for each in texts[1:]
        ]
        engine.go_on.set()
        error = await breaking
        assert isinstance(error, EngineError)
        assert "broke" in error.message
        for messages in await asyncio.gather(*others):
            assert kinds(messages)[-1] == "summary"


async def test_a_replica_that_has_lost_its_engine_sends_everybody_to_another() -> None:
    async with running_voice(ScriptedChorus(lost_on="oh")) as stub:
        for said in ("Oh no.", "Well."):
            error = await refused(stub, config(), text(said))
            assert isinstance(error, Unavailable)


async def test_a_reply_that_its_client_does_not_read_goes_on_unchanged_later() -> None:
    whole = "word goes after word " * 100
    async with running_voice(ScriptedChorus()) as stub:
        alone = await speak(stub, config(48_000), text(whole))
    engine = ScriptedChorus()
    async with running_voice(engine, max_ahead_seconds=1.0) as stub:
        call = stub.Synthesize()
        await call.write(config(48_000))
        await call.write(text(whole))
        await call.done_writing()
        beginning = await until(call, "audio")
        await speak(stub, config(), text("And another one meanwhile. " * 20))
        assert len(engine.steps) < 400
        rest = await until(call, "summary")
    assert heard(beginning + rest) == heard(alone)
    assert to_seconds(rest[-1].summary.audio) == pytest.approx(400 * WORD_SECONDS)


@pytest.mark.parametrize(
    ("measured", "max_streams", "capacity"),
    [(3, None, 3), (3, 2, 2), (3, 5, 5), (0, None, 1), (None, None, 4)],
)
async def test_as_many_are_carried_as_were_measured_unless_the_operator_says(
    measured: int | None, max_streams: int | None, capacity: int
) -> None:
    engine = ScriptedChorus(measured=measured)
    async with running_voice(engine, max_streams=max_streams) as stub:
        described = await stub.Describe(tts_pb2.TextToSpeechDescribeRequest())
        assert described.capacity.streams == capacity
        assert REGISTRY.get_sample_value("antiphon_streams_capacity") == capacity
        calls = [stub.Synthesize() for _ in range(capacity)]
        for call in calls:
            await call.write(config())
            await until(call, "started")
        assert isinstance(await refused(stub, config()), Full)
        for call in calls:
            call.cancel()


async def test_a_voice_that_has_to_be_given_is_asked_for() -> None:
    engine = ScriptedChorus(cloning=True, reference_required=True, speed=False)
    sample = tts_pb2.ReferenceAudio(
        format=audio_pb2.AudioFormat(sample_rate=48_000), samples=b"\0\1" * 48_000 * 30
    )
    async with running_voice(engine) as stub:
        described = await stub.Describe(tts_pb2.TextToSpeechDescribeRequest())
        assert described.reference_required
        assert not described.speed
        error = await refused(stub, config(), text("Hello."))
        assert isinstance(error, InvalidArgument)
        assert error.field == "config.reference"
        assert "3 to 30 seconds" in error.problem
        messages = await speak(stub, config(reference=sample), text("Hello."))
        assert kinds(messages)[-1] == "summary"


async def test_an_engine_that_prefers_sentences_gets_a_short_first_clause_and_then_sentences() -> (
    None
):
    whole = (
        "Well, that is a long story, and it goes on for a while, with commas, "
        "until it comes to an end. And then, as always, it is over."
    )
    async with running_voice(ScriptedChorus(sentences=True)) as stub:
        messages = await speak(stub, config(), text(whole))
    assert [segment.spoken for segment in of_kind(messages, "segment")] == [
        "Well, that is a long story,",
        "and it goes on for a while, with commas, until it comes to an end.",
        "And then, as always, it is over.",
    ]
