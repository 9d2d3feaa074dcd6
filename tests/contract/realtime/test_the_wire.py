"""What comes over a wire that was not expected there; and a wire that is cut."""

import asyncio
import base64
import json

import aiohttp
import pytest

from tests.fakes.hearing import silence, speech
from tests.fakes.running_realtime import (
    Client,
    RunningRealtime,
    connected,
    running_realtime,
)
from tests.fakes.stages import Script, serving

APPEND = "input_audio_buffer.append"


async def still_serves(client: Client) -> None:
    client.got.clear()
    session = await client.update(instructions="still there")
    assert session["instructions"] == "still there"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"type": "no.such"}', "unknown_event"),
        ('{"type": "response.create", "response": {"foo": 1}}', "unknown_parameter"),
        (f'{{"type": "{APPEND}", "audio": "!!"}}', "invalid_value"),
        (f'{{"type": "{APPEND}", "audio": "AAAA"}}', "invalid_value"),
        (f'{{"type": "{APPEND}"}}', "missing_required_parameter"),
        ("[" * 5_000, "invalid_json"),
    ],
)
async def test_what_is_no_event_is_told_so_and_the_conversation_goes_on(
    client: Client, message: str, code: str
) -> None:
    await client.socket.send_str(message)
    assert (await client.error())["code"] == code
    await still_serves(client)


async def test_a_binary_frame_is_told_so(client: Client) -> None:
    await client.socket.send_bytes(speech(0.1))
    assert (await client.error())["code"] == "invalid_json"
    await still_serves(client)


async def test_a_message_that_is_too_large_ends_the_connection_with_its_reason(
    gateway: RunningRealtime,
) -> None:
    async with connected(gateway) as client:
        sending = asyncio.create_task(client.send(APPEND, audio="A" * 50_000_000))
        assert (await client.error())["code"] == "message_too_large"
        assert await client.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
        # The connection is gone before all of it has left.
        await asyncio.gather(sending, return_exceptions=True)
    async with connected(gateway) as client:
        await still_serves(client)


async def test_a_thousand_events_a_second_end_the_connection_with_its_reason(
    gateway: RunningRealtime,
) -> None:
    async with connected(gateway) as client, connected(gateway) as other:
        audio = base64.b64encode(silence(0.02)).decode()
        message = json.dumps({"type": APPEND, "audio": audio})

        async def flood() -> None:
            for _ in range(2_000):
                await client.socket.send_str(message)

        flooding = asyncio.create_task(flood())
        error = await client.error()
        assert error["type"] == "rate_limit_error"
        assert await client.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
        await asyncio.gather(flooding, return_exceptions=True)
        await still_serves(other)


async def test_a_cut_socket_cancels_everything_that_was_under_way(
    script: Script,
) -> None:
    script.write = lambda _request: ["A long answer."]
    script.behind_piece = asyncio.Future
    async with serving(script) as stages, running_realtime(stages) as gateway:
        async with connected(gateway) as client:
            await client.say(speech(0.5) + silence(0.8))
            await client.until("response.output_audio.delta")
            transport = client.socket.get_extra_info("socket")
            assert transport is not None
            client.socket._response.connection.transport.abort()
        async with asyncio.timeout(5):
            cancelled = {await script.cancelled.get() for _ in range(2)}
            await gateway.admission.idle()
        assert cancelled == {"Generate", "Synthesize"}


async def test_clients_come_and_go_and_leave_no_conversation_behind(
    gateway: RunningRealtime,
) -> None:
    for _ in range(10):
        async with connected(gateway) as client:
            await client.say(speech(0.2))
    async with asyncio.timeout(5):
        await gateway.admission.idle()
    assert gateway.admission.open == 0


async def test_a_full_gateway_says_so_over_the_socket(script: Script) -> None:
    async with (
        serving(script) as stages,
        running_realtime(stages, max_streams=1) as gateway,
        connected(gateway),
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.url) as socket,
    ):
        client = Client(socket)
        assert (await client.error())["code"] == "overloaded"
        assert await client.closed() == aiohttp.WSCloseCode.TRY_AGAIN_LATER


async def test_a_model_that_is_not_there_is_told_over_the_socket(
    gateway: RunningRealtime,
) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.url + "?model=no-such-model") as socket,
    ):
        client = Client(socket)
        assert (await client.error())["code"] == "model_not_found"
        assert await client.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_gateway_that_goes_away_lets_the_answer_end_and_says_why(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    async with connected(gateway) as client:
        await client.say(speech(0.5) + silence(0.8))
        await client.until("response.output_audio.delta")
        gateway.sessions.finish()
        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        assert client.one("response.done")["response"]["status"] == "completed"
        assert client.got[-1]["error"]["code"] == "service_unavailable"


@pytest.mark.parametrize("limit", ["longest_conversation", "longest_silence"])
async def test_a_conversation_that_lasts_or_is_idle_too_long_ends_with_its_reason(
    script: Script, limit: str
) -> None:
    async with (
        serving(script) as stages,
        running_realtime(stages, **{limit: 1}) as gateway,
        connected(gateway) as client,
    ):
        assert await client.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
        assert client.got[-1]["error"]["code"] == "session_expired"


async def test_a_client_that_reads_nothing_keeps_nobody_else_waiting(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    async with connected(gateway) as deaf, connected(gateway) as other:
        await deaf.write("x" * 30_000)
        (added, _) = [await deaf.next() for _ in range(2)]
        assert added is not None

        async def ask_much() -> None:
            for _ in range(350):
                item = added["item"]["id"]
                await deaf.send("conversation.item.retrieve", item_id=item)

        asking = asyncio.create_task(ask_much())
        await other.say(speech(0.5) + silence(0.8))
        await other.until("response.done")
        await asking


async def test_a_client_that_stops_reading_is_let_go(
    gateway: RunningRealtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.fronts.realtime.connection.STUCK_SECONDS", 0.5)
    monkeypatch.setattr("gateway.fronts.realtime.websocket.CLOSE_SECONDS", 0.2)
    async with connected(gateway) as deaf:
        await deaf.write("x" * 30_000)
        item = (await deaf.until("conversation.item.done"))["item"]["id"]
        for _ in range(380):
            await deaf.send("conversation.item.retrieve", item_id=item)
        async with asyncio.timeout(10):
            await gateway.admission.idle()


async def test_a_client_names_the_subprotocol_that_it_speaks(
    gateway: RunningRealtime,
) -> None:
    offered = ("realtime", "openai-insecure-api-key.ak_anything")
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.url, protocols=offered) as socket,
    ):
        assert socket.protocol == "realtime"


async def test_who_wants_no_websocket_is_told_what_there_is(
    gateway: RunningRealtime,
) -> None:
    url = gateway.url.replace("ws:", "http:")
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        assert response.status == 400
        assert "WebSocket" in (await response.json())["error"]["message"]
