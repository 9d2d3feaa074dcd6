"""A speech-to-text service on a free port, and the words to talk to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import grpc

from antiphon.v1 import audio_pb2, stt_pb2, stt_pb2_grpc
from services.runtime.admission import Admission
from services.runtime.server import bind, create_server
from services.stt.engines import ENGINES
from services.stt.service import SpeechToTextService
from services.stt.settings import SpeechToTextSettings
from tests.fakes.calls import exchange
from tests.fakes.engines import ScriptedRecognizer


@asynccontextmanager
async def running_recognizer(
    engine: ScriptedRecognizer, **changes: Any
) -> AsyncIterator["stt_pb2_grpc.SpeechToTextAsyncStub"]:
    """A stub of a service with that engine, and with such settings; the engine is not held any more at its end."""
    wanted = {"engine": "scripted", "port": 0, "early_seconds": 0.0, **changes}
    with patch.dict(ENGINES, {"scripted": lambda options: engine}):
        settings = SpeechToTextSettings(**wanted)
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
        engine.release()
        await server.stop(None)
        await service.stop()


def config(rate: int = 16_000, **fields: Any) -> stt_pb2.TranscribeRequest:
    audio_format = audio_pb2.AudioFormat(sample_rate=rate)
    return stt_pb2.TranscribeRequest(
        config=stt_pb2.TranscribeConfig(**{"format": audio_format, **fields})
    )


def audio(pcm: bytes) -> list[stt_pb2.TranscribeRequest]:
    """Frames of 40 ms at 16 kHz."""
    return [
        stt_pb2.TranscribeRequest(
            audio=audio_pb2.AudioChunk(samples=pcm[start : start + 1280])
        )
        for start in range(0, len(pcm), 1280)
    ]


def checkpoint(number: int) -> stt_pb2.TranscribeRequest:
    return stt_pb2.TranscribeRequest(checkpoint=stt_pb2.Checkpoint(id=number))


async def responses(
    stub: "stt_pb2_grpc.SpeechToTextAsyncStub", *requests: stt_pb2.TranscribeRequest
) -> list[stt_pb2.TranscribeResponse]:
    return await exchange(stub.Transcribe(), requests)


async def rest(call: Any) -> list[stt_pb2.TranscribeResponse]:
    """What a stream that is written to and read from by hand has still to tell."""
    told = []
    while (response := await call.read()) is not grpc.aio.EOF:
        told.append(response)
    return told
