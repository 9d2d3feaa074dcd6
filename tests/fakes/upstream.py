"""An OpenAI-compatible server that follows a script, on a real port, and remembers what it was asked.

It also plays Hugging Face: the router, as which it answers under ``/<provider>/v1``, and the Hub, as which it says what
a model is called at a provider.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from aiohttp import web


class Step(Enum):
    """What a streamed answer does besides sending bytes."""

    WAIT = auto()  # until the test calls `release`, or the client leaves
    BREAK = auto()  # the connection


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        steps: bytes of the body, sent one by one, and what happens between them.
        status: of HTTP.
        headers: besides the usual ones.
    """

    steps: Sequence[bytes | Step]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def event(payload: object) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def chunk(finish: str | None = None, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"object": "chat.completion.chunk", "choices": [choice]})


DONE = b"data: [DONE]\n\n"
USAGE = event(
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 12,
            "completion_tokens": 3,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 7},
        },
    }
)
BREAK = Answer([Step.BREAK])


def says(*texts: str, finish: str = "stop") -> Answer:
    """A reply as servers stream it."""
    deltas = [chunk(content=text) for text in texts]
    return Answer(
        [chunk(role="assistant", content=None), *deltas, chunk(finish), USAGE, DONE]
    )


def calls(name: str, arguments: str) -> Answer:
    """A reply that asks for a function to be called."""
    call = {
        "index": 0,
        "id": f"call_{name}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    return Answer(
        [
            chunk(role="assistant", content=None, tool_calls=[call]),
            chunk("tool_calls"),
            USAGE,
            DONE,
        ]
    )


def refuses(status: int, error: object, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = error if isinstance(error, bytes) else json.dumps({"error": error}).encode()
    return Answer([body], status, named)


@dataclass
class Exchange:
    """One chat completion that was asked for.

    Attributes:
        body: as it came.
        path: of the URL.
        headers: as they came, names in lower case.
        connection: the client's port; the same for all requests on one connection.
        left: set when the client left before the end.
    """

    body: dict[str, Any]
    path: str
    headers: dict[str, str]
    connection: int
    left: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedUpstream:
    """Gives the scripted answers in order, then says "Hello there.", unless `answer_to` finds others.

    As the Hub it says ``offers``: what any model is called, by provider; or whatever ``hub_says``.
    """

    def __init__(self) -> None:
        self.url = ""
        self.root = ""
        self.answers: deque[Answer] = deque()
        self.answer_to: Callable[[dict[str, Any]], Answer] = self.next_answer
        self.exchanges: list[Exchange] = []
        self.model_requests = 0
        self.models_headers: Mapping[str, str] = {}
        self.offers: dict[str, str] = {}
        self.hub_status = 200
        self.hub_says: bytes | None = None
        self.hub_waits = False
        self.hub_requests = 0
        self._asked = asyncio.Condition()
        self._released = asyncio.Event()

    async def exchange(self, number: int) -> Exchange:
        """The exchange of that number, from 1, as soon as it has begun."""
        async with asyncio.timeout(10), self._asked:
            await self._asked.wait_for(lambda: len(self.exchanges) >= number)
        return self.exchanges[number - 1]

    def next_answer(self, _body: dict[str, Any]) -> Answer:
        """Whatever was asked."""
        return self.answers.popleft() if self.answers else says("Hello", " there.")

    def release(self) -> None:
        """Let every answer that waits go on, now and later."""
        self._released.set()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        exchange = Exchange(
            await request.json(),
            request.path,
            {name.lower(): value for name, value in request.headers.items()},
            request.transport.get_extra_info("peername")[1],
        )
        answer = self.answer_to(exchange.body)
        async with self._asked:
            self.exchanges.append(exchange)
            self._asked.notify_all()
        response = web.StreamResponse(
            status=answer.status,
            headers={"Content-Type": "text/event-stream", **answer.headers},
        )
        try:
            if answer.steps[0] is not Step.BREAK:
                await response.prepare(request)
            for step in answer.steps:
                if step is Step.WAIT:
                    await self._released.wait()
                elif step is Step.BREAK:
                    request.transport.abort()
                else:
                    await response.write(step)
            return response
        except (asyncio.CancelledError, ConnectionError):
            exchange.left.set()
            raise

    async def _models(self, _request: web.Request) -> web.Response:
        self.model_requests += 1
        models = {"object": "list", "data": []}
        return web.json_response(models, headers=self.models_headers)

    async def _hub(self, request: web.Request) -> web.Response:
        self.hub_requests += 1
        if self.hub_waits:
            await self._released.wait()
        live = {"status": "live", "task": "conversational"}
        mapping = {p: {"providerId": name, **live} for p, name in self.offers.items()}
        if self.hub_says is not None:
            return web.Response(body=self.hub_says, content_type="application/json")
        model = request.match_info["model"]
        document = {"id": model, "inferenceProviderMapping": mapping}
        return web.json_response(document, status=self.hub_status)


@asynccontextmanager
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    upstream = ScriptedUpstream()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", upstream._complete)
    app.router.add_get("/v1/models", upstream._models)
    app.router.add_post("/{provider}/v1/chat/completions", upstream._complete)
    app.router.add_get("/{provider}/v1/models", upstream._models)
    app.router.add_get("/api/models/{model:.+}", upstream._hub)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    upstream.url = f"{upstream.root}/v1"
    try:
        yield upstream
    finally:
        upstream.release()
        await runner.cleanup()
