"""A gateway that follows a script: the real contract over a real port, no stages behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import conversation_pb2_grpc as pb_grpc
from antiphon.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE, AudioFormat
from antiphon.v1.stt_pb2 import Transcript
from services.runtime.admission import Admission
from services.runtime.errors import Cancelled
from services.runtime.server import create_server
from services.runtime.settings import ServiceSettings
from services.runtime.units import PCM_BYTES, to_duration

INPUT_RATE = 16_000
OUTPUT_RATE = 24_000


class Exchange:
    """The gateway's end of one conversation, as scripts see it."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._changed = asyncio.Condition()
        self.config = pb.ConversationConfig()
        self.audio = bytearray()
        self.requests: list[pb.ConverseRequest] = []
        self.half_closed = False

    async def listen(self) -> None:
        """Take what the client sends until it is done."""
        while isinstance(request := await self._context.read(), pb.ConverseRequest):
            async with self._changed:
                self.requests.append(request)
                self.audio += request.audio.samples
                self._changed.notify_all()
        async with self._changed:
            self.half_closed = True
            self._changed.notify_all()

    async def say(self, **event: Any) -> None:
        await self._context.write(pb.ConverseResponse(**event))

    async def heard(self, seconds: float) -> None:
        """Wait until so much audio came, or the client is done."""
        await self._until(
            lambda: len(self.audio) >= round(seconds * INPUT_RATE) * PCM_BYTES
        )

    async def got(self, kind: str) -> pb.ConverseRequest:
        """Wait for a message of a kind; the first of them."""
        await self._until(
            lambda: any(r.WhichOneof("message") == kind for r in self.requests)
        )
        for request in self.requests:
            if request.WhichOneof("message") == kind:
                return request
        raise Cancelled(f"the client was done before it sent {kind}")

    async def closed(self) -> None:
        """Wait until the client is done sending."""
        await self._until(lambda: False)

    async def turn(
        self,
        number: int = 1,
        said: str = "Hello there.",
        answer: tuple[str, ...] = ("Good ", "day."),
        audio: bytes = b"\x01\x00" * 2400,
        **ended: Any,
    ) -> None:
        """A whole turn as a gateway would tell it."""
        await self.say(
            user_transcript=pb.UserTranscript(
                turn=number, transcript=Transcript(text=said)
            )
        )
        await self.say(reply_started=pb.ReplyStarted(turn=number))
        for piece in answer:
            await self.say(reply_text=pb.ReplyText(turn=number, text=piece))
        half = len(audio) // 4 * 2
        for start, part in ((0, audio[:half]), (half, audio[half:])):
            position = to_duration(start / PCM_BYTES / OUTPUT_RATE)
            await self.say(
                reply_audio=pb.ReplyAudio(turn=number, position=position, samples=part)
            )
        fields = {
            "outcome": pb.TURN_OUTCOME_ANSWERED,
            "heard_text": "".join(answer),
            "waterfall": waterfall(),
        }
        await self.say(turn_ended=pb.TurnEnded(turn=number, **{**fields, **ended}))

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.half_closed or holds())


Script = Callable[[Exchange], Awaitable[None]]


def waterfall(*overruns: str, **seconds: float) -> pb.Waterfall:
    """A waterfall that adds up: 480 + 160 + 320 + 110 + 4 - 262 = 812 ms."""
    shares = {
        "total": 0.812,
        "endpointing": 0.480,
        "stt": 0.160,
        "llm": 0.320,
        "tts": 0.110,
        "gateway": 0.004,
        "saved": 0.262,
        **seconds,
    }
    return pb.Waterfall(
        **{name: to_duration(value) for name, value in shares.items()},
        overruns=overruns,
    )


class ScriptedGateway(pb_grpc.ConversationServicer):
    """Plays the script to every client, after ``ready`` and before ``ended``."""

    def __init__(
        self, script: Script, description: pb.ConversationDescribeResponse
    ) -> None:
        self._script = script
        self._description = description
        self.exchanges: list[Exchange] = []
        self.target = ""

    async def Converse(self, request_iterator: Any, context: Any) -> None:
        exchange = Exchange(context)
        self.exchanges.append(exchange)
        exchange.config = (await context.read()).config
        await exchange.say(
            ready=pb.ConversationReady(
                conversation_id=f"scripted-{len(self.exchanges)}",
                input_format=AudioFormat(
                    encoding=AUDIO_ENCODING_PCM_S16LE, sample_rate=INPUT_RATE
                ),
                output_format=AudioFormat(
                    encoding=AUDIO_ENCODING_PCM_S16LE, sample_rate=OUTPUT_RATE
                ),
                turn_taking=exchange.config.turn_taking
                if exchange.config.HasField("turn_taking")
                else pb.TurnTaking(
                    silence=pb.SilenceEndpointing(silence=to_duration(0.1))
                ),
            )
        )
        listening = asyncio.create_task(exchange.listen())
        try:
            await self._script(exchange)
            await listening
        finally:
            listening.cancel()
        await exchange.say(ended=pb.ConversationEnded())

    async def Describe(
        self, request: Any, context: Any
    ) -> pb.ConversationDescribeResponse:
        return self._description


@asynccontextmanager
async def scripted_gateway(
    script: Script,
    *,
    description: pb.ConversationDescribeResponse | None = None,
    max_streams: int = 4,
) -> AsyncIterator[ScriptedGateway]:
    """A scripted gateway on a free port, healthy from the start."""
    gateway = ScriptedGateway(script, description or pb.ConversationDescribeResponse())
    server: grpc.aio.Server = create_server(ServiceSettings(), Admission(max_streams))
    pb_grpc.add_ConversationServicer_to_server(gateway, server)
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    await healthy.set(
        "antiphon.v1.Conversation", health_pb2.HealthCheckResponse.SERVING
    )
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    gateway.target = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(None)
