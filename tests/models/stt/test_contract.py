"""The speech-to-text service with Parakeet in miniature, against its contract."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from antiphon.v1 import audio_pb2, stt_pb2, stt_pb2_grpc
from services.runtime import hub
from services.runtime.admission import Admission
from services.runtime.errors import InvalidArgument, from_rpc_error
from services.runtime.server import bind, create_server
from services.runtime.units import to_seconds
from services.stt.engines import Transcript, Utterance
from services.stt.engines.parakeet import Parakeet, StreamingParakeet
from services.stt.service import SpeechToTextService
from services.stt.settings import SpeechToTextSettings
from tests.fakes.calls import exchange
from tests.models.checkpoints.parakeet import speech, tiny_streaming
from tests.models.checkpoints.toy_parakeet import DIGITS

Spoken = Callable[..., list[NDArray[np.float32]]]

Stub = Any
Serve = Callable[..., AbstractAsyncContextManager[Stub]]
Request = stt_pb2.TranscribeRequest


@pytest.fixture
def serve(toy: Path) -> Serve:
    @asynccontextmanager
    async def serve(**changes: Any) -> AsyncIterator[Stub]:
        settings = SpeechToTextSettings(
            **{"engine": "parakeet", "model": str(toy), "port": 0, **changes}
        )
        service = SpeechToTextService(settings)
        service.admission = Admission(settings.max_streams)
        server = create_server(settings, service.admission)
        service.register(server)
        port = bind(server, settings)
        await server.start()
        await service.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield stt_pb2_grpc.SpeechToTextStub(channel)
        finally:
            await server.stop(None)
            await service.stop()

    return serve


def config(**fields: Any) -> Request:
    audio_format = audio_pb2.AudioFormat(sample_rate=16_000)
    return Request(config=stt_pb2.TranscribeConfig(format=audio_format, **fields))


def checkpoint(number: int) -> Request:
    return Request(checkpoint=stt_pb2.Checkpoint(id=number))


def audio(samples: NDArray[np.float32]) -> list[Request]:
    """Frames of 80 ms."""
    pcm = (samples * 32767).astype("<i2").tobytes()
    chunks = [pcm[start : start + 2560] for start in range(0, len(pcm), 2560)]
    return [Request(audio=audio_pb2.AudioChunk(samples=chunk)) for chunk in chunks]


def quiet(seconds: float) -> list[Request]:
    noise = np.random.default_rng(1).standard_normal(round(seconds * 16_000))
    return audio((noise * 0.003).astype(np.float32))


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"stage": "stt", **labels}) or 0.0


async def test_an_utterance_is_heard_with_words_times_and_confidence(
    serve: Serve, spoken: Spoken
) -> None:
    (said,) = spoken("four two nine")
    async with serve() as stub:
        told = await exchange(stub.Transcribe(), [config(), *audio(said)])
    final = told[-1].final
    assert final.transcript.text == "four two nine"
    assert [word.text for word in final.transcript.words] == ["four", "two", "nine"]
    ends = [to_seconds(word.end) for word in final.transcript.words]
    assert ends == sorted(ends) and ends[-1] <= to_seconds(final.audio)
    assert all(0.5 < word.confidence <= 1 for word in final.transcript.words)
    assert final.transcript.language == "und"
    assert (final.engine.engine, final.engine.model) == ("parakeet", "toy-parakeet")


async def test_a_checkpoint_serves_as_the_final_after_silence(
    serve: Serve, spoken: Spoken
) -> None:
    (said,) = spoken("one two")
    before = sample("antiphon_batch_size_count", work="final")
    async with serve() as stub:
        requests = [config(), *audio(said), checkpoint(3), *quiet(0.4)]
        told = await exchange(stub.Transcribe(), requests)
    answers = [each for each in told if not each.HasField("partial")]
    assert answers[0].checkpointed.transcript.text == "one two"
    assert answers[1].final.transcript == answers[0].checkpointed.transcript
    assert answers[1].final.from_checkpoint == 3
    assert sample("antiphon_batch_size_count", work="final") == before


async def test_words_after_a_checkpoint_are_in_the_final(
    serve: Serve, spoken: Spoken
) -> None:
    first, second = spoken("one two", "six")
    async with serve() as stub:
        requests = [config(), *audio(first), checkpoint(1), *audio(second)]
        told = await exchange(stub.Transcribe(), requests)
    assert told[0].checkpointed.transcript.text == "one two"
    assert told[-1].final.transcript.text == "one two six"
    assert told[-1].final.from_checkpoint == 0


async def test_partials_grow_and_their_beginning_becomes_stable(
    serve: Serve, spoken: Spoken
) -> None:
    phrases = spoken("one two", "three four", "five six")
    async with serve(partial_interval_seconds=0.4) as stub:
        call = stub.Transcribe()
        await call.write(config(interim_results=True))
        partials = []
        for number, phrase in enumerate(phrases):
            for request in audio(phrase):
                await call.write(request)
            # In the pause behind the words one is made of all of them, if not before.
            while not partials or len(partials[-1].text.split()) < 2 * number + 2:
                partials.append((await call.read()).partial)
        await call.done_writing()
        told = []
        while (response := await call.read()) is not grpc.aio.EOF:
            told.append(response)
    times = [to_seconds(partial.audio_processed) for partial in partials]
    assert times == sorted(set(times))
    assert partials[-1].stable_characters >= len("one two")
    assert told[-1].final.transcript.text == "one two three four five six"


async def test_windows_of_a_long_utterance_are_put_together(
    serve: Serve, spoken: Spoken
) -> None:
    phrases = spoken(*["one two three", "four five six"] * 2)
    pauses = [audio(phrase) + quiet(0.5) for phrase in phrases]
    before = sample("antiphon_batch_size_sum", work="partial")
    async with serve(window_seconds=5.0, early_seconds=0.0) as stub:
        requests = [config(), *(request for each in pauses for request in each)]
        told = await exchange(stub.Transcribe(), requests)
    transcript = told[-1].final.transcript
    assert sample("antiphon_batch_size_sum", work="partial") > before, "windows"
    words = transcript.text.split()
    assert [word.text for word in transcript.words] == words
    times = [to_seconds(word.start) for word in transcript.words]
    assert times == sorted(times) and times[-1] > 5.0
    # Each window is normalized by itself, so the miniature may mistake a word that it knew in the whole.
    expected = ["one", "two", "three", "four", "five", "six"] * 2
    assert sum(a == b for a, b in zip(words, expected, strict=False)) >= 10


async def test_sixteen_streams_at_once_hear_what_one_at_a_time_hears(
    serve: Serve, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(8)
    said = [
        " ".join(str(word) for word in generator.choice(DIGITS, 1 + number % 6))
        for number in range(16)
    ]
    requests = [[config(), *audio(spoken(each)[0]), checkpoint(1)] for each in said]
    async with serve(max_batch=16, max_streams=32) as stub:
        alone = [await exchange(stub.Transcribe(), each) for each in requests]
        together, items, batches = await all_at_once(
            stub, requests, Parakeet, monkeypatch
        )
    assert items > 2 * batches, "several utterances a batch"
    for words, one, other in zip(said, alone, together, strict=True):
        transcript = other.final.transcript
        assert transcript.text == one[-1].final.transcript.text == words
        assert [word.start for word in transcript.words] == [
            word.start for word in one[-1].final.transcript.words
        ]


async def test_sixteen_streams_of_a_cache_aware_model_are_heard_alike(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        [config(), *audio(speech(1.0 + 0.3 * seed, seed)), checkpoint(1)]
        for seed in range(16)
    ]
    options = {"max_batch": 16, "max_streams": 32}
    async with serve(model=str(tiny_streaming()), **options) as stub:
        alone = [await exchange(stub.Transcribe(), each) for each in requests]
        together, items, batches = await all_at_once(
            stub, requests, StreamingParakeet, monkeypatch
        )
        described = await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
    assert described.engine.model == "tiny-streaming"
    assert items > 2 * batches, "several utterances a batch"
    for one, other in zip(alone, together, strict=True):
        assert one[-1].final.transcript.text
        assert other.final.transcript.text == one[-1].final.transcript.text


async def all_at_once(
    stub: Stub,
    requests: Sequence[Sequence[Request]],
    engine: type[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[Any], float, float]:
    """The last response to each, and how many checkpoints there were in how many batches.

    The engine is held until everything has been sent, so that batches do not depend on who is faster.
    """
    all_sent, transcribe = threading.Event(), engine.transcribe

    def held(self: Any, utterances: Sequence[Utterance]) -> list[Transcript]:
        all_sent.wait()
        return list(transcribe(self, utterances))

    monkeypatch.setattr(engine, "transcribe", held)
    names = ("antiphon_batch_size_sum", "antiphon_batch_size_count")
    before = [sample(name, work="checkpoint") for name in names]
    calls = [stub.Transcribe() for _ in requests]
    try:
        for call, messages in zip(calls, requests, strict=True):
            for message in messages:
                await call.write(message)
            await call.done_writing()
        # Answered behind what was sent before it.
        await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
    finally:
        all_sent.set()
    last = []
    for call in calls:
        while (response := await call.read()) is not grpc.aio.EOF:
            final = response
        last.append(final)
    items, batches = (
        sample(name, work="checkpoint") - was
        for name, was in zip(names, before, strict=True)
    )
    return last, items, batches


async def test_cancelled_streams_stop_and_leave_the_others_alone(
    serve: Serve, spoken: Spoken
) -> None:
    first, second = spoken("three one")[0], spoken("five")[0]
    async with serve(max_batch=16, max_streams=32) as stub:
        calls = [stub.Transcribe() for _ in range(16)]
        for call in calls:
            for request in [config(), *audio(first), checkpoint(1)]:
                await call.write(request)
        for call in calls[::2]:
            call.cancel()
        kept = []
        for call in calls[1::2]:
            await call.done_writing()
            last = None
            while (response := await call.read()) is not grpc.aio.EOF:
                last = response
            kept.append(last)
        while (
            await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
        ).capacity.open:
            pass
        done = sample("antiphon_batch_size_sum", work="checkpoint")
        again = await exchange(stub.Transcribe(), [config(), *audio(second)])
        assert sample("antiphon_batch_size_sum", work="checkpoint") == done
    assert [each.final.transcript.text for each in kept] == ["three one"] * 8
    assert again[-1].final.transcript.text == "five"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"language": "xx"}, "config.language"),
        ({"hint_phrases": ["a"]}, "config.hint_phrases"),
    ],
)
async def test_what_the_model_cannot_do_is_refused_by_field(
    serve: Serve, fields: dict[str, Any], field: str
) -> None:
    async with serve() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await exchange(stub.Transcribe(), [config(**fields)])
    error = from_rpc_error(caught.value, "stt")
    assert isinstance(error, InvalidArgument) and error.field == field


async def test_one_variable_loads_the_published_model_from_the_cache_offline(
    toy: Path, tmp_path: Path, spoken: Spoken
) -> None:
    """A process of its own; its standard output stays empty, and all its errors are lines of our log."""
    model = "nvidia/parakeet-tdt-0.6b-v3"
    repository = tmp_path / "hub" / f"models--{model.replace('/', '--')}"
    snapshot = repository / "snapshots" / hub.known()[model].revision
    snapshot.mkdir(parents=True)
    (snapshot / "parakeet-tdt-0.6b-v3.nemo").symlink_to(toy)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.stt",
        env={
            **os.environ,
            "ANTIPHON_STT_ENGINE": "parakeet",
            "ANTIPHON_STT_PORT": "0",
            "ANTIPHON_STT_METRICS_PORT": "0",
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "1",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines = []
    async with asyncio.timeout(120):
        while line := await process.stderr.readline():
            lines.append(json.loads(line))
            if lines[-1]["event"] == "serving":
                break
    address = f"127.0.0.1:{lines[-1].get('port')}"
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Stub = stt_pb2_grpc.SpeechToTextStub(channel)
        described = await stub.Describe(stt_pb2.SpeechToTextDescribeRequest())
        request = [config(language="de"), *audio(spoken("seven zero")[0])]
        told = await exchange(stub.Transcribe(), request)
    process.terminate()
    output, errors = await process.communicate()
    assert "loading NeMo" in [each["event"] for each in lines]
    assert described.engine.engine == "parakeet"
    assert described.engine.model == "parakeet-tdt-0.6b-v3"
    assert described.languages[0] == "auto" and len(described.languages) == 26
    assert described.word_times and described.confidence
    assert not described.hint_phrases
    assert told[-1].final.transcript.text == "seven zero"
    assert told[-1].final.transcript.language == "de"
    assert (process.returncode, output) == (0, b"")
    assert all(json.loads(line) for line in errors.splitlines())
