"""Server-sent events: one JSON object each (HTML Living Standard, section 9.2)."""

import json
from typing import Any

from aiohttp import web

from gateway.fronts.http_telemetry import broke_off
from gateway.fronts.openai.errors import body
from gateway.fronts.openai.writing import write
from services.runtime.errors import AntiphonError

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    # nginx would keep them until it has a page full.
    "X-Accel-Buffering": "no",
}


class Events:
    """The events that answer one request. Nothing is sent before the first one: until then it can fail as a whole.

    Args:
        request: to answer.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(headers=HEADERS)

    @property
    def begun(self) -> bool:
        """Whether anything was sent."""
        return self.response.prepared

    async def send(self, event: dict[str, Any]) -> None:
        """The next event; waits for a slow client."""
        await self._write(json.dumps(event, ensure_ascii=False, separators=(",", ":")))

    async def done(self) -> None:
        """OpenAI's mark behind the last event of a completion."""
        await self._write("[DONE]")

    async def fail(self, error: AntiphonError) -> None:
        """Say that the answer breaks off here, and why."""
        broke_off(self._request, error)
        await self.send(body(error))

    async def _write(self, data: str) -> None:
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await write(self._request, self.response, f"data: {data}\n\n".encode())
