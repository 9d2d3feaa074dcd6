"""One Transcribe RPC, with a caller and a session that tests hold in their hands."""

import asyncio
from typing import Any

import grpc
import pytest

from antiphon.v1 import stage_pb2
from services.stt.stream import Stream


class Vanishing:
    """The context of a caller who vanishes: gRPC tells the end of what they send, and then cancels the handler.

    Attributes:
        handler: the RPC's task.
    """

    def __init__(self) -> None:
        self.handler: asyncio.Task[None] | None = None

    async def read(self) -> object:
        assert self.handler is not None
        asyncio.get_running_loop().call_soon(self.handler.cancel)
        return grpc.aio.EOF


class Utterance:
    """A session that remembers whether its transcript was asked for."""

    seconds = 0.7

    def __init__(self) -> None:
        self.finished = 0

    def finish(self) -> object:
        self.finished += 1
        return object()

    async def next_partial(self) -> None:
        return None

    async def transcript(self, _decode: object) -> object:
        return await asyncio.get_running_loop().create_future()


async def test_of_a_caller_who_vanishes_no_transcript_is_made() -> None:
    context: Any = Vanishing()
    utterance: Any = Utterance()
    stream = Stream(context, utterance, stage_pb2.EngineInfo())
    context.handler = asyncio.create_task(stream.run(interim_results=False))
    with pytest.raises(asyncio.CancelledError):
        await context.handler
    assert utterance.finished == 0
