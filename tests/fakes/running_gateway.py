"""A gateway in this process, on a real port, with hearing by loudness."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.conversation_pb2_grpc import (
    ConversationStub,
    add_ConversationServicer_to_server,
)
from gateway.fronts.grpc import GrpcFront
from gateway.hearing.ending import EndOfTurn
from gateway.hearing.voice import VoiceActivity
from gateway.sessions import Sessions
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from services.runtime.admission import Admission
from services.runtime.channel import open_channel
from services.runtime.rpc import untraced
from services.runtime.server import bind, create_server
from services.runtime.streams import send
from services.runtime.telemetry.budgets import Budgets
from services.runtime.telemetry.budgets import load as load_budgets
from tests.fakes.hearing import LoudnessVoice, silence, speech


class WatchedFront(GrpcFront):
    """Says when a conversation has been left."""

    def __init__(self, sessions: Sessions, admission: Admission) -> None:
        super().__init__(sessions, admission)
        self.left: asyncio.Queue[None] = asyncio.Queue()

    @untraced
    async def Converse(self, requests: object, context: object) -> None:
        try:
            await super().Converse(requests, context)
        finally:
            self.left.put_nowait(None)


@dataclass
class RunningGateway:
    address: str
    front: WatchedFront
    stub: ConversationStub
    sessions: Sessions


@asynccontextmanager
async def running(
    stages: str,
    voice: VoiceActivity | None = None,
    ending: EndOfTurn | None = None,
    budgets: Budgets | None = None,
    **settings: object,
) -> AsyncIterator[RunningGateway]:
    """A gateway before the stages at one address; turns end by silence, unless the settings say otherwise; ``budgets``: none for those in force."""
    default = {"endpointing": "silence", "stt": stages, "llm": stages, "tts": stages}
    chosen = GatewaySettings(port=0, **(default | settings))
    directory = Stages(chosen.stt, chosen.llm, chosen.tts)
    sessions = Sessions(
        chosen, directory, voice or LoudnessVoice(), ending, budgets or load_budgets()
    )
    admission = Admission(chosen.max_streams)
    server = create_server(chosen, admission)
    front = WatchedFront(sessions, admission)
    add_ConversationServicer_to_server(front, server)
    address = f"127.0.0.1:{bind(server, chosen)}"
    await server.start()
    channel = open_channel(address)
    try:
        yield RunningGateway(address, front, ConversationStub(channel), sessions)
    finally:
        await channel.close()
        await server.stop(0)
        await directory.close()


class Client:
    """A client that sends what it is told to and keeps what it gets."""

    def __init__(
        self, call: "grpc.aio.StreamStreamCall[pb.ConverseRequest, pb.ConverseResponse]"
    ) -> None:
        self.call = call
        self.got: list[pb.ConverseResponse] = []

    @classmethod
    async def open(cls, gateway: RunningGateway, **config: object) -> "Client":
        client = cls(gateway.stub.Converse())
        await client.send(config=pb.ConversationConfig(**config))
        await client.until("ready")
        return client

    async def send(self, **message: object) -> None:
        # If it cannot be sent any more, reading tells why.
        await send(self.call, pb.ConverseRequest(**message))

    async def say(self, samples: bytes, frame: int = 1280) -> None:
        for start in range(0, len(samples), frame):
            await self.send(audio={"samples": samples[start : start + frame]})

    async def next(self) -> pb.ConverseResponse | None:
        response = await self.call.read()
        if response is grpc.aio.EOF:
            return None
        self.got.append(response)
        return response

    async def until(self, kind: str) -> pb.ConverseResponse:
        while (response := await self.next()) is not None:
            if response.WhichOneof("message") == kind:
                return response
        raise AssertionError(f"the stream ended before {kind!r}: {self.kinds()}")

    def kinds(self) -> list[str]:
        return [response.WhichOneof("message") for response in self.got]

    def audio(self, turn: int) -> bytes:
        chunks = [
            r.reply_audio for r in self.got if r.WhichOneof("message") == "reply_audio"
        ]
        return b"".join(chunk.samples for chunk in chunks if chunk.turn == turn)


async def ask(client: Client) -> pb.TurnEnded:
    """Say something, whatever it is, and hear the answer to its end."""
    await client.say(speech(0.5) + silence(0.6))
    return (await client.until("turn_ended")).turn_ended
