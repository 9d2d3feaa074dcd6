"""A text-to-speech service on a free port, and the words to talk to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from antiphon.v1 import audio_pb2, tts_pb2, tts_pb2_grpc
from services.runtime.admission import Admission
from services.runtime.errors import AntiphonError, from_rpc_error
from services.runtime.server import bind, create_server
from services.tts.engines import BatchEngine, Engine
from services.tts.service import TextToSpeechService
from services.tts.settings import TextToSpeechSettings
from tests.fakes.calls import exchange
from tests.fakes.voice import ScriptedEngine

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Messages = list[tts_pb2.SynthesizeResponse]

FLUSH = tts_pb2.SynthesizeRequest(flush=tts_pb2.Flush())


@asynccontextmanager
async def running_voice(
    engine: Engine | BatchEngine | None = None, **changes: Any
) -> AsyncIterator[Any]:
    """A stub of a service with that engine, and with such settings."""
    settings = TextToSpeechSettings(port=0, **changes)
    service = TextToSpeechService(settings, engine or ScriptedEngine())
    service.admission = Admission(settings.max_streams)
    server = create_server(settings, service.admission)
    service.register(server)
    port = bind(server, settings)
    await server.start()
    await service.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield tts_pb2_grpc.TextToSpeechStub(channel)
    finally:
        await server.stop(None)
        await service.stop()


def config(rate: int = 0, **fields: Any) -> tts_pb2.SynthesizeRequest:
    audio_format = audio_pb2.AudioFormat(sample_rate=rate)
    return tts_pb2.SynthesizeRequest(
        config=tts_pb2.SynthesizeConfig(format=audio_format, **fields)
    )


def text(piece: str) -> tts_pb2.SynthesizeRequest:
    return tts_pb2.SynthesizeRequest(text=piece)


async def speak(stub: Any, *requests: tts_pb2.SynthesizeRequest) -> Messages:
    return await exchange(stub.Synthesize(), requests)


async def refused(stub: Any, *requests: tts_pb2.SynthesizeRequest) -> AntiphonError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await speak(stub, *requests)
    return from_rpc_error(caught.value, "tts")


async def until(call: Any, kind: str) -> Messages:
    """What comes up to the first message of a kind."""
    messages: Messages = []
    while not messages or messages[-1].WhichOneof("message") != kind:
        messages.append(await call.read())
    return messages


async def only(stub: Any, streams: int) -> None:
    """Wait until no more than so many streams are open."""
    told = None
    while told is None or told.capacity.open > streams:
        told = await stub.Describe(tts_pb2.TextToSpeechDescribeRequest())


def of_kind(messages: Messages, kind: str) -> list[Any]:
    return [
        getattr(message, kind)
        for message in messages
        if message.WhichOneof("message") == kind
    ]


def kinds(messages: Messages) -> list[str]:
    return [message.WhichOneof("message") or "" for message in messages]


def heard(messages: Messages) -> bytes:
    """All samples."""
    return b"".join(audio.samples for audio in of_kind(messages, "audio"))
