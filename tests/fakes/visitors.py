"""Who comes to the HTTP port: what they ask for, and what they are told."""

from typing import Any

import aiohttp

from services.runtime.keys import hashed
from tests.fakes.doors import OpenDoors

KEY = "ak_kitchen"
KEYS = {"api_keys": f"kitchen:{hashed(KEY)}"}
BEARER = {"Authorization": f"Bearer {KEY}"}
CHAT = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}
FOREIGN = "https://elsewhere.example"


def upgrade(**headers: str) -> dict[str, str]:
    """Headers that ask for a WebSocket, of a client that tells what it is answered."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }


ASKED = [
    ("GET", "/v1/models", {}),
    ("POST", "/v1/chat/completions", {"json": CHAT}),
    ("GET", "/v1/realtime", {"headers": upgrade()}),
]


def with_headers(given: dict[str, Any], **headers: str) -> dict[str, Any]:
    return {**given, "headers": {**given.get("headers", {}), **headers}}


async def error(response: aiohttp.ClientResponse) -> dict[str, Any]:
    told: dict[str, Any] = (await response.json())["error"]
    assert set(told) == {"message", "type", "param", "code"}
    return told


async def closed(opened: aiohttp.ClientWebSocketResponse) -> tuple[list[Any], int]:
    """What came until the socket closed, and with which code it did."""
    got = []
    async for message in opened:
        got.append(message.json())
    assert opened.close_code is not None
    return got, opened.close_code


async def realtime(
    here: OpenDoors, web: aiohttp.ClientSession
) -> aiohttp.ClientWebSocketResponse:
    opened = await web.ws_connect(f"{here.http}/v1/realtime")
    assert (await opened.receive_json())["type"] == "session.created"
    return opened
