"""Client secrets: made with a key, good for conversations of one kind, and for a while."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import ClientSecretCreateResponse

from gateway.access.secrets import Secrets
from services.runtime.keys import hashed
from tests.fakes.caller import calling
from tests.fakes.doors import OpenDoors, doors

KEY = "ak_reception"
SHARED = "a secret that several gateways share"
SESSION = {
    "type": "realtime",
    "instructions": "Be brief.",
    "audio": {"input": {"turn_detection": None}},
}


@pytest.fixture
async def gateway() -> AsyncIterator[OpenDoors]:
    keys = f"reception:{hashed(KEY)}"
    async with doors(api_keys=keys, secret=SHARED) as gateway:
        yield gateway


async def make(
    gateway: OpenDoors, key: str = KEY, **body: object
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{gateway.http}/v1/realtime/client_secrets"
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(url, json=body) as response,
    ):
        return response.status, await response.json()


async def created(gateway: OpenDoors, key: str) -> dict[str, Any]:
    """The first event of a conversation over a WebSocket."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"{gateway.http}/v1/realtime?model=gpt-realtime") as socket,
    ):
        event: dict[str, Any] = await socket.receive_json()
        return event


async def test_a_secret_opens_conversations_of_its_session(gateway: OpenDoors) -> None:
    status, made = await make(gateway, session=SESSION)
    assert status == 200
    assert made["value"].startswith("ek_")
    assert made["expires_at"] == pytest.approx(time.time() + 600, abs=5)
    assert made["session"]["instructions"] == "Be brief."
    event = await created(gateway, made["value"])
    assert event["type"] == "session.created"
    assert event["session"]["instructions"] == "Be brief."
    assert event["session"]["audio"]["input"]["turn_detection"] is None
    async with calling(gateway.http, key=made["value"]) as caller:
        session = caller.one("session.created")["session"]
        assert session["instructions"] == "Be brief."


async def test_a_secret_without_a_session_opens_the_usual_one(
    gateway: OpenDoors,
) -> None:
    _, made = await make(gateway)
    usual = (await created(gateway, KEY))["session"]
    opened = (await created(gateway, made["value"]))["session"]
    assert opened["instructions"] == usual["instructions"]
    assert opened["audio"] == usual["audio"]


async def test_the_official_client_makes_secrets(gateway: OpenDoors) -> None:
    async with AsyncOpenAI(api_key=KEY, base_url=f"{gateway.http}/v1") as client:
        made = await client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={"type": "realtime", "model": "gpt-realtime"},
        )
    assert isinstance(made, ClientSecretCreateResponse)
    assert made.expires_at == pytest.approx(time.time() + 60, abs=5)
    assert made.session.type == "realtime"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, "expires_after.anchor"),
        ({"session": {"type": "transcription"}}, "session.type"),
        ({"session": {"foo": 1}}, "session.foo"),
        (
            {"session": {"audio": {"output": {"voice": "nobody"}}}},
            "session.audio.output.voice",
        ),
        ({"foo": 1}, "foo"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    gateway: OpenDoors, body: dict[str, object], param: str
) -> None:
    status, answer = await make(gateway, **body)
    assert status == 400
    assert answer["error"]["param"] == param


async def test_a_secret_makes_no_secrets_and_does_nothing_else(
    gateway: OpenDoors,
) -> None:
    _, made = await make(gateway)
    assert (await make(gateway, key=made["value"]))[0] == 403
    headers = {"Authorization": f"Bearer {made['value']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{gateway.http}/v1/models") as response,
    ):
        assert response.status == 403


async def test_a_secret_that_has_expired_opens_nothing(gateway: OpenDoors) -> None:
    old = Secrets(SHARED).mint("reception", {}, 10, time.time() - 11)
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {old.value}"}
        url = f"{gateway.http}/v1/realtime/calls"
        async with http.post(url, data="v=0", headers=headers) as response:
            assert response.status == 401
            assert "expired" in (await response.json())["error"]["message"]


async def test_a_secret_of_a_key_that_is_gone_opens_nothing(
    gateway: OpenDoors,
) -> None:
    stray = Secrets(SHARED).mint("somebody else", {}, 600, time.time())
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {stray.value}"}
        url = f"{gateway.http}/v1/realtime/calls"
        async with http.post(url, data="v=0", headers=headers) as response:
            assert response.status == 401


async def test_a_secret_uses_the_limits_of_the_key_that_made_it() -> None:
    keys = f"reception:{hashed(KEY)}"
    async with doors(api_keys=keys, key_conversations=1) as gateway:
        _, made = await make(gateway)
        async with calling(gateway.http, key=KEY):
            event = await created(gateway, made["value"])
            assert event["error"]["code"] == "rate_limit_exceeded"
