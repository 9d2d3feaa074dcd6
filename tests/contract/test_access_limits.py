"""Limits at the HTTP port: how much one caller, and all of them, may use."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from gateway.fronts import gate, http
from gateway.fronts.openai import writing
from services.runtime.keys import hashed
from tests.fakes.doors import doors
from tests.fakes.stages import Script
from tests.fakes.visitors import (
    CHAT,
    KEY,
    closed,
    error,
    realtime,
)


async def test_requests_over_the_limit_are_told_when_to_come_again(
    web: aiohttp.ClientSession,
) -> None:
    async with doors(key_requests=2) as here:
        for _ in range(2):
            async with web.get(f"{here.http}/v1/models") as got:
                assert got.status == 200
        async with web.get(f"{here.http}/v1/models") as got:
            assert got.status == 429
            assert 0 < int(got.headers["Retry-After"]) <= 30
            assert (await error(got))["code"] == "rate_limit_exceeded"


async def test_one_key_leaves_others_a_place(web: aiohttp.ClientSession) -> None:
    keys = f"kitchen:{hashed(KEY)},other:{hashed('ak_other')}"
    async with doors(api_keys=keys, http_streams=2) as here:
        address = here.http.removeprefix("http://").split(":")
        answer, slow = await asyncio.open_connection(*address)
        slow.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Length: 9\r\n"
            b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
            + f"Authorization: Bearer {KEY}\r\n\r\n".encode()
        )
        # Its handler runs, and waits for the body.
        assert b"100 Continue" in await answer.readline()
        for key, status in ((KEY, 429), ("ak_other", 200)):
            headers = {"Authorization": f"Bearer {key}"}
            chat = f"{here.http}/v1/chat/completions"
            async with web.post(chat, json=CHAT, headers=headers) as got:
                assert got.status == status
        slow.close()


async def test_requests_have_places_of_their_own_and_are_told_when_none_is_free(
    web: aiohttp.ClientSession,
) -> None:
    held = asyncio.Event()
    begun = asyncio.Event()

    def begin() -> Any:
        begun.set()
        return held.wait()

    script = Script(before_writing=begin)
    async with doors(script, http_streams=1) as here:
        address = f"{here.http}/v1/chat/completions"
        first = asyncio.create_task(web.post(address, json=CHAT))
        await begun.wait()
        async with web.post(address, json=CHAT) as got:
            assert got.status == 503
            assert got.headers["Retry-After"]
            assert (await error(got))["code"] == "overloaded"
        assert here.admission.open == 0
        held.set()
        assert (await first).status == 200


async def test_who_leaves_frees_the_stages(web: aiohttp.ClientSession) -> None:
    begun = asyncio.Event()

    def begin() -> Any:
        begun.set()
        return asyncio.Event().wait()

    script = Script(before_writing=begin)
    async with doors(script) as here:
        asking = asyncio.create_task(
            web.post(f"{here.http}/v1/chat/completions", json=CHAT)
        )
        await begun.wait()
        asking.cancel()
        async with asyncio.timeout(10):
            assert await script.cancelled.get() == "Generate"


async def test_who_does_not_take_an_answer_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "STUCK_SECONDS", 0.2)
    script = Script()
    body = json.dumps(
        {"input": "a" * 4096, "voice": "alloy", "response_format": "wav"}
    ).encode()
    async with doors(script, http_streams=1) as here:
        host, port = here.http.removeprefix("http://").split(":")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, int(port)))
            client.sendall(
                b"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            async with asyncio.timeout(20):
                assert await script.cancelled.get() == "Synthesize"


async def test_a_thousand_events_a_second_are_cut_off_with_the_reason(
    web: aiohttp.ClientSession,
) -> None:
    async with doors() as here:
        opened = await realtime(here, web)
        for _ in range(1000):
            if opened.closed:
                break
            await opened.send_json({"type": "input_audio_buffer.clear"})
        got, code = await closed(opened)
        assert code == 1008
        assert "200 messages a second" in str(got[-1]["error"]["message"])
        # The process serves on.
        await (await realtime(here, web)).close()


async def test_a_message_that_is_too_large_closes_its_socket_and_no_other(
    web: aiohttp.ClientSession,
) -> None:
    async with doors(max_message_bytes=100_000) as here:
        other = await realtime(here, web)
        opened = await realtime(here, web)
        await opened.send_str("x" * 200_000)
        _, code = await closed(opened)
        assert code == 1009
        await other.send_json({"type": "input_audio_buffer.clear"})
        assert (await other.receive_json())["type"] == "input_audio_buffer.cleared"
        await other.close()


async def test_a_key_has_no_more_conversations_open_than_it_may(
    web: aiohttp.ClientSession,
) -> None:
    async with doors(key_conversations=1) as here:
        first = await realtime(here, web)
        async with web.ws_connect(f"{here.http}/v1/realtime") as second:
            got, code = await closed(second)
        assert code == 1008
        assert "may have 1" in got[-1]["error"]["message"]
        await first.close()


async def test_a_gateway_that_is_going_away_takes_no_new_work(
    web: aiohttp.ClientSession,
) -> None:
    async with doors() as here:
        here.admission.drain()
        async with web.post(f"{here.http}/v1/chat/completions", json=CHAT) as got:
            assert got.status == 503
            assert (await error(got))["code"] == "unavailable"
        async with web.get(f"{here.http}/readyz") as got:
            assert (await got.json())["status"] == "draining"
        async with web.ws_connect(f"{here.http}/v1/realtime") as opened:
            got_events, code = await closed(opened)
        assert code == 1013
        assert "shutting down" in got_events[-1]["error"]["message"]


async def test_a_body_that_does_not_come_is_not_waited_for_and_no_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)
    async with doors() as here:
        host, port = here.http.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        async with asyncio.timeout(10):
            assert b" 408 " in await reader.readline()
            assert b"did not come within" in await reader.read()
        writer.close()
    assert not caplog.records


async def test_a_head_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.05)
    async with doors() as here:
        host, port = here.http.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
