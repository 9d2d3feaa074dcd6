"""A gateway's Realtime front in this process, on a real port, and a client that takes nothing but the protocol."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from openai.types.realtime import RealtimeServerEvent, RealtimeSessionCreateRequest
from pydantic import BaseModel, TypeAdapter

from gateway.access import Access
from gateway.access.origins import Origins
from gateway.fronts.gate import Gate
from gateway.fronts.http import HttpFront
from gateway.fronts.realtime.websocket import RealtimeWebSocket
from gateway.hearing.voice import VoiceActivity
from gateway.sessions import Sessions
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from services.runtime.admission import Admission
from services.runtime.telemetry import budgets
from tests.fakes.event_order import EventOrder
from tests.fakes.hearing import LoudnessVoice

Event = dict[str, Any]

RATE = 16_000
"""Hz of the clients' audio, both ways, unless a test wants another."""

FRAME_BYTES = 2 * RATE * 40 // 1000

FORMAT = {"type": "audio/pcm", "rate": RATE}

_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@dataclass
class RunningRealtime:
    """Attributes: what a test may look at, or change."""

    url: str
    sessions: Sessions
    admission: Admission
    settings: GatewaySettings


@asynccontextmanager
async def running_realtime(
    stages: str, voice: VoiceActivity | None = None, **settings: object
) -> AsyncIterator[RunningRealtime]:
    """The front before the stages at one address; whoever is on this machine may come in."""
    default = {"endpointing": "silence", "stt": stages, "llm": stages, "tts": stages}
    chosen = GatewaySettings(**(default | settings))
    directory = Stages(chosen.stt, chosen.llm, chosen.tts)
    sessions = Sessions(
        chosen, directory, voice or LoudnessVoice(), None, budgets.load()
    )
    admission = Admission(chosen.max_streams)
    access = Access(chosen)
    gate = Gate(
        access, Origins(chosen.origins, by_name=False), admission, chosen.http_streams
    )
    http = HttpFront([RealtimeWebSocket(sessions, access, admission)], gate)
    port = await http.start("127.0.0.1", 0)
    try:
        yield RunningRealtime(
            f"ws://127.0.0.1:{port}/v1/realtime", sessions, admission, chosen
        )
    finally:
        await http.stop()
        await directory.close()


@dataclass
class Client:
    """Sends what it is told to, keeps what it gets, and holds every event against the official SDK's models and their order."""

    socket: aiohttp.ClientWebSocketResponse
    got: list[Event] = field(default_factory=list)
    order: EventOrder = field(default_factory=EventOrder)

    async def send(self, type: str, **fields: object) -> None:
        await self.socket.send_str(json.dumps({"type": type, **fields}))

    async def say(self, samples: bytes, frame: int = FRAME_BYTES) -> None:
        for start in range(0, len(samples), frame):
            piece = base64.b64encode(samples[start : start + frame]).decode()
            await self.send("input_audio_buffer.append", audio=piece)

    async def update(self, **session: object) -> Event:
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]

    async def write(self, text: str, **event: object) -> None:
        """Put a user's text into the conversation."""
        content = [{"type": "input_text", "text": text}]
        message = {"type": "message", "role": "user", "content": content}
        await self.send("conversation.item.create", item=message, **event)

    async def next(self) -> Event | None:
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        event: Event = json.loads(message.data)
        check(event)
        self.order.watch(event)
        assert event["event_id"] not in [e["event_id"] for e in self.got]
        self.got.append(event)
        return event

    async def until(self, type: str) -> Event:
        while (event := await self.next()) is not None:
            if event["type"] == type:
                return event
        raise AssertionError(f"closed before {type}: {self.types()}")

    async def error(self) -> Event:
        error: Event = (await self.until("error"))["error"]
        return error

    async def closed(self) -> int | None:
        """Read until the connection is closed; returns the code."""
        while await self.next() is not None:
            pass
        return self.socket.close_code

    def types(self, *but: str) -> list[str]:
        """Types of what came, in order; those that repeat count once, and some not at all."""
        told: list[str] = []
        for event in self.got:
            if event["type"] not in but and told[-1:] != [event["type"]]:
                told.append(event["type"])
        return told

    def all(self, type: str) -> list[Event]:
        return [event for event in self.got if event["type"] == type]

    def one(self, type: str) -> Event:
        (event,) = self.all(type)
        return event

    def audio(self) -> bytes:
        deltas = self.all("response.output_audio.delta")
        return b"".join(base64.b64decode(event["delta"]) for event in deltas)


@asynccontextmanager
async def connected(
    gateway: RunningRealtime, query: str = "", **session: object
) -> AsyncIterator[Client]:
    """A client, with audio at `RATE` and what else the session is to have."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.url + query, max_msg_size=0) as socket,
    ):
        client = Client(socket)
        await client.until("session.created")
        audio = {"input": {"format": FORMAT}, "output": {"format": FORMAT}}
        await client.update(
            audio=_laid_over(audio, session.pop("audio", {})), **session
        )
        client.got.clear()
        async with asyncio.timeout(20):
            yield client


def _laid_over(below: Event, above: Any) -> Event:
    laid = dict(below)
    for name, value in above.items():
        old = laid.get(name)
        laid[name] = (
            _laid_over(old, value)
            if isinstance(old, dict) and isinstance(value, dict)
            else value
        )
    return laid


def check(event: Event) -> None:
    """Hold an event against the official SDK's models: no field is wrong, none is missing, none is made up."""
    assert isinstance(event["event_id"], str)
    if event["type"].startswith("antiphon."):
        return
    model = _EVENTS.validate_python(_with_usual_rates(event))
    if event["type"].startswith("session."):
        assert isinstance(model.session, RealtimeSessionCreateRequest)
        extra = set(model.session.model_extra or {})
        assert extra <= {"id", "object", "expires_at", "antiphon", "temperature"}, extra
        return
    assert model.type == event["type"]
    _no_extras(model, event["type"])


def _no_extras(value: object, where: str) -> None:
    if isinstance(value, BaseModel):
        assert not value.model_extra, (where, value.model_extra)
        for name, inner in value:
            _no_extras(inner, f"{where}.{name}")
    elif isinstance(value, list):
        for inner in value:
            _no_extras(inner, where)


def _with_usual_rates(value: Any) -> Any:
    """The models know 24,000 Hz alone; ours are an extension of that."""
    if isinstance(value, dict):
        rate = {"rate": 24_000} if value.get("type") == "audio/pcm" else {}
        return {name: _with_usual_rates(inner) for name, inner in value.items()} | rate
    if isinstance(value, list):
        return [_with_usual_rates(inner) for inner in value]
    return value
