"""An engine that can never work again takes its process along, so that somebody starts another one."""

import grpc
import pytest

from antiphon.v1 import tts_pb2_grpc
from services.runtime.errors import Unavailable
from tests.e2e.process import lone_process
from tests.fakes.running_tts import config, refused, text

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_process_whose_engine_is_lost_ends_with_status_1() -> None:
    async with lone_process("tts", module="tests.e2e.losing") as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = tts_pb2_grpc.TextToSpeechStub(channel)
            error = await refused(stub, config(), text("Oh no."))
        assert isinstance(error, Unavailable)
        assert await process.ended() == 1
