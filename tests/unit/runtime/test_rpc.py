"""What callers are told whose bytes are no message."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from antiphon.v1 import llm_pb2_grpc, tts_pb2_grpc
from services.runtime.admission import Admission
from services.runtime.errors import InvalidArgument, from_rpc_error
from services.runtime.server import bind, create_server
from services.runtime.settings import ServiceSettings
from services.runtime.streams import read

GARBAGE = b"\xff\xff\xff"


class Speaker(tts_pb2_grpc.TextToSpeechServicer):
    async def Synthesize(self, _requests: object, context: Any) -> None:  # type: ignore[override]
        await read(context)


@pytest_asyncio.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    settings = ServiceSettings()
    server = create_server(settings, Admission(1))
    tts_pb2_grpc.add_TextToSpeechServicer_to_server(Speaker(), server)
    llm_pb2_grpc.add_LanguageModelServicer_to_server(
        llm_pb2_grpc.LanguageModelServicer(), server
    )
    port = bind(server, settings)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


@pytest.mark.parametrize("kind", ["unary", "one request", "stream"])
async def test_bytes_that_are_no_message_are_the_callers_fault(
    channel: grpc.aio.Channel, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        match kind:
            case "unary":
                call = channel.unary_unary("/antiphon.v1.TextToSpeech/Describe")
                await call(GARBAGE)
            case "one request":
                answers = channel.unary_stream("/antiphon.v1.LanguageModel/Generate")
                await answers(GARBAGE).read()
            case _:
                both = channel.stream_stream("/antiphon.v1.TextToSpeech/Synthesize")
                await both(iter([GARBAGE])).read()
    error = from_rpc_error(raised.value, "it")
    assert isinstance(error, InvalidArgument)
    assert error.message == "the message is not what the contract says"
    assert "Traceback" not in "".join(capfd.readouterr())
