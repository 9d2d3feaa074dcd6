"""The text-to-speech service with Qwen3-TTS behind it, on a real port."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from antiphon.v1 import audio_pb2, tts_pb2
from services.runtime.errors import InvalidArgument
from services.runtime.units import to_seconds
from services.tts.engines import Reference, Said, Speech
from tests.fakes.running_tts import (
    FLUSH,
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
from tests.models.tts.conftest import Loaded, make_engine

STREAMS = 16
TEXTS = ("Hello there.", "One two three.", "How are you? This is a test.", "Yes.")


def samples(messages: list[tts_pb2.SynthesizeResponse]) -> np.ndarray:
    return np.frombuffer(heard(messages), "<i2").astype(np.int32)


async def test_sixteen_replies_at_once_are_what_each_is_alone(loaded: Loaded) -> None:
    engine = make_engine(loaded(), batch=STREAMS)
    voices = [voice.name for voice in engine.capabilities.voices]
    asked = [
        (config(16_000, voice=voices[n % len(voices)]), text(TEXTS[n % len(TEXTS)]))
        for n in range(STREAMS)
    ]
    sizes: list[int] = []
    step, all_there = engine.step, threading.Event()

    def counted(speeches: Sequence[Speech]) -> Iterator[Said]:
        all_there.wait()
        sizes.append(len(speeches))
        return step(speeches)

    async with running_voice(engine, max_streams=STREAMS) as stub:
        engine.step = counted  # type: ignore[method-assign]
        calls = [stub.Synthesize() for _ in asked]
        try:
            for call, requests in zip(calls, asked, strict=True):
                for request in requests:
                    await call.write(request)
                await call.done_writing()
            begun = [await until(call, "segment") for call in calls]
        finally:
            all_there.set()
        together = [
            messages + await until(call, "summary")
            for call, messages in zip(calls, begun, strict=True)
        ]
        largest = max(sizes)
        alone = [await speak(stub, *one) for one in asked]
    # The line of the last segment may be a moment behind it.
    assert largest > STREAMS / 2
    for one, other in zip(together, alone, strict=True):
        assert kinds(one)[-1] == "summary"
        assert samples(one).shape == samples(other).shape
        # A rounding of the last bit may go one way or the other.
        assert np.abs(samples(one) - samples(other)).max() <= 8


async def test_audio_comes_while_text_is_still_written(loaded: Loaded) -> None:
    engine = make_engine(loaded())
    async with running_voice(engine) as stub:
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text("Hello there, my friend. And"))
        await until(call, "audio")
        await call.write(text(" that is all."))
        await call.done_writing()
        messages = await until(call, "summary")
    assert messages[-1].summary.characters == len(
        "Hello there, my friend. And that is all."
    )


async def test_a_reply_that_is_cancelled_frees_its_place(loaded: Loaded) -> None:
    engine = make_engine(loaded(end_after=None), batch=1)
    async with running_voice(engine, max_streams=1) as stub:
        call = stub.Synthesize()
        await call.write(config())
        await call.write(text(TEXTS[2]))
        await until(call, "audio")
        call.cancel()
        await only(stub, 1)
        messages = await speak(stub, config(), text("Yes."))
    assert to_seconds(of_kind(messages, "summary")[0].audio) > 0


async def test_describe_tells_what_the_checkpoint_is(loaded: Loaded) -> None:
    async with running_voice(make_engine(loaded("base"))) as stub:
        told = await stub.Describe(tts_pb2.TextToSpeechDescribeRequest())
    assert [voice.name for voice in told.voices] == ["cloned"]
    assert told.cloning
    assert told.reference_required
    assert not told.speed
    assert not told.instructions
    assert told.native_sample_rate == 24_000


async def test_a_voice_is_cloned_from_what_was_sent(
    loaded: Loaded, reference: Reference
) -> None:
    pcm = (reference.samples * 32_767).astype("<i2").tobytes()
    given = tts_pb2.ReferenceAudio(
        format=audio_pb2.AudioFormat(
            encoding=audio_pb2.AUDIO_ENCODING_PCM_S16LE,
            sample_rate=reference.sample_rate,
        ),
        samples=pcm,
        transcript=reference.transcript,
    )
    async with running_voice(make_engine(loaded("base"))) as stub:
        messages = await speak(stub, config(reference=given), text("Hello."), FLUSH)
        error = await refused(stub, config(), text("Hello."))
    assert of_kind(messages, "audio")
    assert isinstance(error, InvalidArgument)
    assert error.field == "config.reference"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"instructions": "Whisper."}, "config.instructions"),
        ({"speed": 1.5}, "config.speed"),
        ({"voice": "nobody"}, "config.voice"),
        ({"language": "sw"}, "config.language"),
    ],
)
async def test_what_the_checkpoint_cannot_do_is_refused(
    loaded: Loaded, fields: dict[str, object], field: str
) -> None:
    async with running_voice(make_engine(loaded())) as stub:
        error = await refused(stub, config(**fields), text("Hello."))
    assert isinstance(error, InvalidArgument)
    assert error.field == field
