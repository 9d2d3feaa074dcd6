"""Clients of each front that ask recorded questions in real time, and tell how long the answers took."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self

import aiohttp
import numpy as np

from antiphon.client import Client, connect
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.resample import Resampler
from services.runtime.units import to_seconds
from tests.microphone import RATE, Microphone, Recording

FRAME = 0.08
"""Seconds of audio in a client's message."""


@dataclass(frozen=True)
class Answered:
    """One turn, in seconds.

    Attributes:
        heard: from the end of the speech to the first audio at the client, the silence that was waited for taken off.
        own: the gateway's share of it, as the waterfall has it.
        hops: that and the stages', likewise.
    """

    heard: float
    own: float
    hops: float


class Asker(Protocol):
    """One conversation."""

    @property
    def messages(self) -> int:
        """Sent and received."""

    async def ask(self, said: Recording) -> Answered | None:
        """Say something, and hear the answer out; None where there was none."""


class GrpcAsker:
    """By `Conversation.Converse`."""

    def __init__(self, microphone: Microphone, events: AsyncIterator[object]) -> None:
        self._microphone = microphone
        self._events = events
        self._received = 0

    @property
    def messages(self) -> int:
        return self._microphone.frames + self._received

    @classmethod
    @asynccontextmanager
    async def open(cls, client: Client) -> AsyncIterator[Self]:
        async with (
            client.converse() as conversation,
            Microphone(conversation, FRAME) as microphone,
        ):
            yield cls(microphone, aiter(conversation))
            await conversation.finish()

    async def ask(self, said: Recording) -> Answered | None:
        loop = asyncio.get_running_loop()
        ended = self._microphone.say(said)
        first = None
        async for event in self._events:
            self._received += 1
            if isinstance(event, pb.ReplyAudio):
                first = first or loop.time()
            if isinstance(event, pb.TurnEnded):
                fall = event.waterfall
                if first is None or not event.HasField("waterfall"):
                    return None
                waited = to_seconds(fall.endpointing)
                total = to_seconds(fall.total)
                return Answered(
                    first - ended - waited, to_seconds(fall.gateway), total - waited
                )
        return None


class _Sender:
    """What a `Microphone` speaks into: frames of 16 kHz become events of 24 kHz, as clients send them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._resampler = Resampler(RATE, 24_000)

    async def send_audio(self, samples: bytes) -> None:
        faster = self._resampler.push(np.frombuffer(samples, "<i2"))
        audio = base64.b64encode(faster.astype("<i2").tobytes()).decode()
        await self._socket.send_str(
            json.dumps({"type": "input_audio_buffer.append", "audio": audio})
        )


class WebSocketAsker:
    """By the OpenAI Realtime API."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, microphone: Microphone
    ) -> None:
        self._socket = socket
        self._microphone = microphone
        self._received = 0

    @property
    def messages(self) -> int:
        return self._microphone.frames + self._received

    @classmethod
    @asynccontextmanager
    async def open(cls, http: aiohttp.ClientSession, url: str) -> AsyncIterator[Self]:
        async with http.ws_connect(f"{url}/v1/realtime", max_msg_size=0) as socket:
            session = {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}},
                "antiphon": {"waterfall": True},
            }
            await socket.send_json({"type": "session.update", "session": session})
            async with Microphone(_Sender(socket), FRAME) as microphone:
                yield cls(socket, microphone)

    async def ask(self, said: Recording) -> Answered | None:
        loop = asyncio.get_running_loop()
        ended = self._microphone.say(said)
        first = None
        async for message in self._socket:
            self._received += 1
            event = json.loads(message.data)
            match event["type"]:
                case "response.output_audio.delta":
                    first = first or loop.time()
                case "antiphon.turn.waterfall" if first is not None:
                    waited = event["endpointing_ms"] / 1000
                    total = event["total_ms"] / 1000
                    return Answered(
                        first - ended - waited,
                        event["gateway_ms"] / 1000,
                        total - waited,
                    )
                case "error":
                    raise RuntimeError(event["error"]["message"])
        return None


class Front(Enum):
    """How a client comes in."""

    GRPC = "gRPC"
    WEBSOCKET = "WebSocket"


@dataclass(frozen=True)
class Door:
    """Opens conversations by one front."""

    front: Front
    client: Client
    web: aiohttp.ClientSession
    url: str

    def open(self) -> AbstractAsyncContextManager[Asker]:
        """One conversation."""
        if self.front is Front.GRPC:
            return GrpcAsker.open(self.client)
        return WebSocketAsker.open(self.web, self.url)


@asynccontextmanager
async def door(front: Front, grpc: str, http: str) -> AsyncIterator[Door]:
    """A way in by one front, for as many conversations as come."""
    async with connect(grpc) as client, aiohttp.ClientSession() as web:
        yield Door(front, client, web, http)
