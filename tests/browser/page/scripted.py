"""A gateway for the page: its files as they are served, and conversations that say what a test tells them to.

Nothing of it is on a clock: a test waits for what the page sends, and says what comes next.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.fronts.page import Page

RATE = 24_000
PATIENCE = 20.0
BUDGETS = {
    "total": 1200,
    "endpointing": 750,
    "stt": 300,
    "llm": 750,
    "tts": 300,
    "gateway": 50,
}

FULL = "this gateway holds 4 conversations already; try another"

Event = dict[str, Any]
_numbers = itertools.count(1)


def new(kind: str) -> str:
    """An id that nobody else has."""
    return f"{kind}_{next(_numbers):04}"


def tone(seconds: float, hz: float = 330.0) -> bytes:
    """Something to hear, as 16-bit PCM at 24,000 Hz."""
    times = np.arange(int(seconds * RATE)) / RATE
    swell = 0.3 * (1 + 0.5 * np.sin(2 * np.pi * 3 * times))
    samples = swell * np.sin(2 * np.pi * hz * times)
    return (samples * 32767).astype("<i2").tobytes()


def waterfall(
    endpointing: int,
    stt: int,
    llm: int,
    tts: int,
    gateway: int = 2,
    saved: int = 0,
) -> Event:
    """Shares in milliseconds that add up as the gateway's do."""
    shares = {
        "endpointing": endpointing,
        "stt": stt,
        "llm": llm,
        "tts": tts,
        "gateway": gateway,
    }
    shares["total"] = sum(shares.values()) - saved
    overruns = [name for name, took in shares.items() if took > BUDGETS[name]]
    told = {f"{name}_ms": took for name, took in shares.items()}
    return {**told, "saved_ms": saved, "overruns": overruns, "budgets_ms": BUDGETS}


@dataclass(eq=False)
class Conversation:
    """One connection of the page, seen from the gateway.

    Attributes:
        received: what the page sent, audio left out.
        audio: what came with ``input_audio_buffer.append``, since it was last cleared or committed.
        protocols: subprotocols that the page offered.
        kept: what the history keeps of an item, once the page asks.
    """

    socket: web.WebSocketResponse
    protocols: list[str]
    received: list[Event] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    kept: dict[str, str] = field(default_factory=dict)
    closed: bool = False
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)
    _read: int = 0

    async def listen(self) -> None:
        """Take in what the page sends until it leaves."""
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            event = json.loads(message.data)
            async with self._came:
                if event["type"] == "input_audio_buffer.append":
                    self.audio += base64.b64decode(event["audio"])
                else:
                    self.received.append(event)
                    if event["type"] == "input_audio_buffer.clear":
                        self.audio.clear()
                    elif event["type"] == "conversation.item.retrieve":
                        await self._retrieved(event["item_id"])
                self._came.notify_all()
        async with self._came:
            self.closed = True
            self._came.notify_all()

    async def until(self, kind: str) -> Event:
        """The next event of a type; those before it are passed over."""
        async with asyncio.timeout(PATIENCE), self._came:
            while True:
                for event in self.received[self._read :]:
                    self._read += 1
                    if event["type"] == kind:
                        return event
                await self._came.wait()

    async def heard(self, seconds: float) -> None:
        """Wait for so much audio."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: len(self.audio) >= seconds * RATE * 2)

    async def left(self) -> None:
        """Wait until the page has gone."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: self.closed)

    def sent(self, kind: str) -> list[Event]:
        """All of a type that came so far."""
        return [event for event in self.received if event["type"] == kind]

    async def send(self, kind: str, **fields: Any) -> None:
        """Say something to the page."""
        await self.socket.send_json({"type": kind, "event_id": new("event"), **fields})

    async def began(self) -> Event:
        """What every conversation begins with; returns the session that the page asked for."""
        await self.send("session.created", session={"type": "realtime", "id": "sess_1"})
        update = await self.until("session.update")
        await self.send("session.updated", session=update["session"])
        session: Event = update["session"]
        return session

    async def added(self, item: Event) -> None:
        """An item is in the history."""
        for what in ("added", "done"):
            await self.send(
                f"conversation.item.{what}", previous_item_id=None, item=item
            )

    async def _retrieved(self, item: str) -> None:
        """Tell what the history keeps of an answer, if the test has said that."""
        if item in self.kept:
            part = {"type": "output_audio", "transcript": self.kept[item]}
            whole = {"id": item, "type": "message", "content": [part]}
            await self.send("conversation.item.retrieved", item=whole)

    # --- the user ---

    async def hears(self, *partials: str) -> str:
        """The user speaks; returns the utterance's item."""
        item = new("item")
        await self.send(
            "input_audio_buffer.speech_started", audio_start_ms=0, item_id=item
        )
        for text in partials:
            stable = text.rfind(" ") + 1
            await self.send(
                "antiphon.input.partial", item_id=item, text=text, stable=stable
            )
        return item

    async def understood(self, item: str, transcript: str) -> None:
        """The user is done."""
        at = len(self.audio) * 1000 // (2 * RATE)
        await self.send(
            "input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=item
        )
        await self.committed(item, transcript)

    async def committed(self, item: str, transcript: str) -> None:
        """What was said is an item, and its words follow."""
        await self.send(
            "input_audio_buffer.committed", previous_item_id=None, item_id=item
        )
        part = {"type": "input_audio", "transcript": None}
        await self.added(
            {"id": item, "type": "message", "role": "user", "content": [part]}
        )
        await self.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            content_index=0,
            transcript=transcript,
            usage={"type": "duration", "seconds": 1.0},
        )

    async def said(self, *partials: str) -> None:
        """A whole utterance, whose last words are its transcript."""
        await self.understood(await self.hears(*partials), partials[-1])

    # --- the answer ---

    async def begins(self, text: str, seconds: float) -> tuple[str, str]:
        """An answer begins to be spoken; returns the response and its item."""
        response, item = new("resp"), new("item")
        await self._created(response)
        await self._message(response, item)
        where = {"response_id": response, "item_id": item, "content_index": 0}
        await self.send("response.output_audio_transcript.delta", delta=text, **where)
        sound = tone(seconds)
        piece = RATE // 5 * 2
        for start in range(0, len(sound), piece):
            delta = base64.b64encode(sound[start : start + piece]).decode()
            await self.send("response.output_audio.delta", delta=delta, **where)
        return response, item

    async def ends(
        self,
        response: str,
        item: str,
        status: str = "completed",
        falls: Event | None = None,
        **details: Any,
    ) -> None:
        """It ends, and tells where its time went."""
        where = {"response_id": response, "item_id": item, "content_index": 0}
        await self.send("response.output_audio.done", **where)
        await self.done(response, status, **details)
        if falls is not None:
            await self.fell(response, falls)

    async def answers(
        self, text: str, falls: Event | None = None, seconds: float = 0.4
    ) -> tuple[str, str]:
        """A whole spoken answer."""
        response, item = await self.begins(text, seconds)
        await self.ends(response, item, falls=falls)
        return response, item

    async def writes(self, text: str) -> None:
        """An answer in text."""
        response, item = new("resp"), new("item")
        await self._created(response)
        await self._message(response, item)
        where = {"response_id": response, "item_id": item, "content_index": 0}
        await self.send("response.output_text.delta", delta=text, **where)
        await self.send("response.output_text.done", text=text, **where)
        await self.done(response)

    async def calls(self, name: str, arguments: str) -> str:
        """The model calls a tool of the page; returns the call."""
        response, item, call = new("resp"), new("item"), new("call")
        await self._created(response)
        await self.send(
            "response.function_call_arguments.done",
            response_id=response,
            item_id=item,
            output_index=0,
            call_id=call,
            name=name,
            arguments=arguments,
        )
        await self.done(response)
        return call

    async def fails(self, why: str) -> None:
        """An answer that came to nothing."""
        response = new("resp")
        await self._created(response)
        details = {"type": "failed", "error": {"type": "server_error", "message": why}}
        await self.done(response, "failed", status_details=details)

    async def done(self, response: str, status: str = "completed", **more: Any) -> None:
        """A response is over."""
        whole = {"id": response, "status": status, "output": [], **more}
        await self.send("response.done", response=whole)

    async def fell(self, response: str, falls: Event, **more: Any) -> None:
        """Where a response's time went."""
        told = {"turn": 1, "outcome": "completed", "heard_text": None, **falls, **more}
        await self.send("antiphon.turn.waterfall", response_id=response, **told)

    async def _created(self, response: str) -> None:
        whole = {"id": response, "status": "in_progress", "output": []}
        await self.send("response.created", response=whole)

    async def _message(self, response: str, item: str) -> None:
        message = {"id": item, "type": "message", "role": "assistant", "content": []}
        await self.send(
            "response.output_item.added",
            response_id=response,
            output_index=0,
            item=message,
        )
        await self.send("conversation.item.added", previous_item_id=None, item=message)


class ScriptedGateway:
    """Serves the page and hands each conversation to the test.

    Attributes:
        url: where the page is.
        key: that it asks for; empty for none.
        full: no conversation is let in.
    """

    def __init__(self) -> None:
        self.url = ""
        self.key = ""
        self.full = False
        self._opened: asyncio.Queue[Conversation] = asyncio.Queue()
        self._open: set[Conversation] = set()

    async def conversation(self) -> Conversation:
        """The next one that the page opens."""
        async with asyncio.timeout(PATIENCE):
            return await self._opened.get()

    def routes(self) -> list[web.RouteDef]:
        """All that the page asks for."""
        return [
            *Page().routes(),
            web.get("/v1/realtime", self._realtime),
            web.get("/v1/models", self._models),
            web.get("/v1/audio/voices", self._voices),
        ]

    async def cut(self) -> None:
        """Every connection breaks, as if the process had died."""
        for conversation in self._open:
            transport = conversation.socket._req.transport  # type: ignore[union-attr]
            transport.abort()  # type: ignore[union-attr]

    async def leave(self) -> None:
        """Close what is open."""
        for conversation in list(self._open):
            await conversation.socket.close(code=WSCloseCode.OK)

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(", ")
        if self.key and f"openai-insecure-api-key.{self.key}" not in offered:
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        if self.full:
            error = {"code": "overloaded", "message": FULL}
            await socket.send_json({"type": "error", "error": error})
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
            return socket
        conversation = Conversation(socket, offered)
        self._open.add(conversation)
        self._opened.put_nowait(conversation)
        try:
            await conversation.listen()
        finally:
            self._open.discard(conversation)
        return socket

    async def _models(self, request: web.Request) -> web.Response:
        self._let_in(request)
        chat = {"id": "default", "antiphon": {"kind": "chat"}}
        hears = {
            "id": "whisper",
            "antiphon": {"kind": "transcription", "languages": ["en", "de"]},
        }
        return web.json_response({"object": "list", "data": [chat, hears]})

    async def _voices(self, request: web.Request) -> web.Response:
        self._let_in(request)
        voices = [{"id": name, "name": name} for name in ("joe", "amy")]
        return web.json_response({"object": "list", "data": voices})

    def _let_in(self, request: web.Request) -> None:
        asked = f"Bearer {self.key}"
        if self.key and request.headers.get("Authorization") != asked:
            error = {"error": {"message": "no such key", "type": "authentication"}}
            raise web.HTTPUnauthorized(
                text=json.dumps(error), content_type="application/json"
            )


@asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    """One on a port of its own."""
    gateway = ScriptedGateway()
    application = web.Application()
    application.add_routes(gateway.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        await gateway.leave()
        await runner.cleanup()
