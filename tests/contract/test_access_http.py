"""Keys, origins, limits and TLS at the HTTP port, whatever is asked for there."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.access.access import ANYONE
from gateway.access.secrets import Secrets
from gateway.fronts import gate, http
from gateway.fronts.openai import writing
from services.runtime.keys import hashed
from tests.fakes.certificates import make
from tests.fakes.doors import OpenDoors, doors
from tests.fakes.stages import Script

KEY = "ak_kitchen"
KEYS = {"api_keys": f"kitchen:{hashed(KEY)}"}
BEARER = {"Authorization": f"Bearer {KEY}"}
CHAT = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}
FOREIGN = "https://elsewhere.example"


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


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


async def test_a_key_among_the_subprotocols_is_not_logged(
    web: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    headers = upgrade(Sec_WebSocket_Protocol=f"openai-insecure-api-key.{KEY}")
    async with (
        doors(**KEYS) as here,
        web.get(f"{here.http}/v1/realtime", headers=headers) as got,
    ):
        assert got.status == 101
        got.close()
    assert KEY not in caplog.text


@pytest.mark.parametrize(("method", "path", "given"), ASKED)
@pytest.mark.parametrize("authorization", ["", "Bearer ak_other", "Basic eDp5"])
async def test_without_a_known_key_nothing_is_had(
    method: str,
    path: str,
    given: dict[str, Any],
    authorization: str,
    web: aiohttp.ClientSession,
) -> None:
    sent = {"Authorization": authorization} if authorization else {}
    async with (
        doors(**KEYS) as here,
        web.request(method, here.http + path, **with_headers(given, **sent)) as got,
    ):
        assert got.status == 401
        assert got.headers["WWW-Authenticate"] == "Bearer"
        told = await error(got)
    assert (told["type"], told["code"]) == ("authentication_error", "invalid_api_key")
    assert "ak_" not in told["message"]


@pytest.mark.parametrize(
    "path",
    ["/%761/models", "/v1%2Fmodels", "//v1/models", "/./v1/models", "/V1/models"],
)
async def test_no_spelling_of_a_path_leads_past_the_gate(
    path: str, web: aiohttp.ClientSession
) -> None:
    async with doors(**KEYS) as here:
        address = aiohttp.client.URL(here.http + path, encoded=True)
        async with web.get(address) as got:
            assert got.status in (401, 404)


async def test_no_line_of_the_log_holds_a_key(
    web: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]
) -> None:
    async with doors(**KEYS) as here:
        for key in (KEY, "ak_other"):
            headers = {"Authorization": f"Bearer {key}"}
            for method, path, given in ASKED:
                async with web.request(
                    method, here.http + path, **with_headers(given, **headers)
                ) as got:
                    assert got.status in (101, 200, 401)
    said = "".join(capfd.readouterr())
    assert "keys are asked for" in said
    assert "ak_" not in said


async def test_with_a_known_key_everything_is_had(web: aiohttp.ClientSession) -> None:
    async with doors(**KEYS) as here:
        async with web.get(f"{here.http}/v1/models", headers=BEARER) as got:
            assert got.status == 200
        async with web.post(
            f"{here.http}/v1/chat/completions", json=CHAT, headers=BEARER
        ) as got:
            assert got.status == 200
        async with web.ws_connect(
            f"{here.http}/v1/realtime", headers=BEARER, protocols=("realtime",)
        ) as opened:
            assert (await opened.receive_json())["type"] == "session.created"


async def test_a_browser_names_its_key_as_a_subprotocol_and_hears_realtime_alone(
    web: aiohttp.ClientSession,
) -> None:
    offered = ("realtime", f"openai-insecure-api-key.{KEY}")
    async with (
        doors(**KEYS) as here,
        web.ws_connect(f"{here.http}/v1/realtime", protocols=offered) as opened,
    ):
        assert opened.protocol == "realtime"
        assert (await opened.receive_json())["type"] == "session.created"


async def test_an_expired_key_is_refused(
    tmp_path: Path, web: aiohttp.ClientSession
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: old, hash: "{hashed(KEY)}", expires: 2020-01-01}}')
    async with (
        doors(keys=str(path)) as here,
        web.get(f"{here.http}/v1/models", headers=BEARER) as got,
    ):
        assert got.status == 401
        assert "expired" in (await error(got))["message"]


async def test_a_client_secret_opens_realtime_and_nothing_else(
    web: aiohttp.ClientSession,
) -> None:
    secret = Secrets("s" * 32).mint(ANYONE, {}, 60, now=4e9)
    bearer = {"Authorization": f"Bearer {secret.value}"}
    async with doors(secret="s" * 32) as here:
        async with web.ws_connect(f"{here.http}/v1/realtime", headers=bearer) as opened:
            assert (await opened.receive_json())["type"] == "session.created"
        async with web.get(f"{here.http}/v1/models", headers=bearer) as got:
            assert got.status == 403
            assert (await error(got))["code"] == "permission_denied"


async def test_health_and_what_is_offered_are_told_without_a_key(
    web: aiohttp.ClientSession,
) -> None:
    async with doors(**KEYS) as here:
        for path in ("/healthz", "/readyz", "/docs", "/docs.css"):
            async with web.get(here.http + path) as got:
                assert got.status == 200, path
        async with web.get(f"{here.http}/docs") as got:
            text = await got.text()
    for named in ("/v1/realtime", "/v1/models/{id}", "input_audio_buffer.append"):
        assert f"<code>{named}</code>" in text
    # The rows stand in a page of Markdown, too.
    assert "](" not in text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/../../etc/passwd", 404, "not_found"),
        ("GET", "/js/..%2f..%2fservice.py", 404, "not_found"),
    ],
)
async def test_what_is_not_there_is_told_in_the_same_shape(
    method: str, path: str, status: int, code: str, web: aiohttp.ClientSession
) -> None:
    async with doors() as here:
        address = aiohttp.client.URL(here.http + path, encoded=True)
        async with web.request(method, address) as got:
            assert got.status == status
            assert (await error(got))["code"] == code


@pytest.mark.parametrize(("method", "path", "given"), ASKED)
async def test_a_page_of_another_site_gets_nothing_even_where_no_key_is_asked_for(
    method: str, path: str, given: dict[str, Any], web: aiohttp.ClientSession
) -> None:
    script = Script()
    async with (
        doors(script) as here,
        web.request(
            method, here.http + path, **with_headers(given, Origin=FOREIGN)
        ) as got,
    ):
        assert got.status == 403
        assert (await error(got))["type"] == "permission_error"
        assert "Access-Control-Allow-Origin" not in got.headers
    assert script.requests == []


@pytest.mark.parametrize(("method", "path", "given"), ASKED)
@pytest.mark.parametrize("origin", ["own", FOREIGN])
async def test_the_own_page_and_listed_ones_get_it(
    method: str,
    path: str,
    given: dict[str, Any],
    origin: str,
    web: aiohttp.ClientSession,
) -> None:
    async with doors(origins=FOREIGN) as here:
        sent = here.http if origin == "own" else origin
        async with web.request(
            method, here.http + path, **with_headers(given, Origin=sent)
        ) as got:
            assert got.status == (101 if "realtime" in path else 200)
            if got.status == 200:
                assert got.headers["Access-Control-Allow-Origin"] == sent
                assert "Origin" in got.headers["Vary"]


async def test_a_name_that_points_here_is_not_the_own_page_where_no_key_is_asked_for(
    web: aiohttp.ClientSession,
) -> None:
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    for settings, status in (({}, 403), (KEYS, 200)):
        async with (
            doors(**settings) as here,
            web.get(f"{here.http}/v1/models", headers=rebound | BEARER) as got,
        ):
            assert got.status == status


async def test_a_browser_asks_first_and_is_told_by_origin_without_a_key(
    web: aiohttp.ClientSession,
) -> None:
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-lang",
    }
    async with doors(**KEYS, origins=FOREIGN) as here:
        address = f"{here.http}/v1/chat/completions"
        async with web.options(address, headers=asking | {"Origin": FOREIGN}) as got:
            assert got.status == 204
            assert got.headers["Access-Control-Allow-Origin"] == FOREIGN
            assert "POST" in got.headers["Access-Control-Allow-Methods"]
            allowed = got.headers["Access-Control-Allow-Headers"]
            assert allowed == "authorization,x-stainless-lang"
        async with web.options(
            address, headers=asking | {"Origin": "https://other.example"}
        ) as got:
            assert got.status == 403


async def test_a_page_of_another_site_reads_why_its_key_is_refused(
    web: aiohttp.ClientSession,
) -> None:
    async with (
        doors(**KEYS, origins=FOREIGN) as here,
        web.get(f"{here.http}/v1/models", headers={"Origin": FOREIGN}) as got,
    ):
        assert got.status == 401
        assert got.headers["Access-Control-Allow-Origin"] == FOREIGN


async def test_a_keys_own_origin_is_good_with_that_key_alone(
    tmp_path: Path, web: aiohttp.ClientSession
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(
        f'- {{name: shop, hash: "{hashed(KEY)}", origins: ["{FOREIGN}"]}}\n'
        f'- {{name: other, hash: "{hashed("ak_other")}"}}\n'
    )
    async with doors(keys=str(path)) as here:
        for key, status in ((KEY, 200), ("ak_other", 403)):
            headers = {"Origin": FOREIGN, "Authorization": f"Bearer {key}"}
            async with web.get(f"{here.http}/v1/models", headers=headers) as got:
                assert got.status == status


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


async def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
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
        writer.close()


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


async def test_with_a_certificate_the_port_speaks_tls_alone(
    tmp_path: Path, web: aiohttp.ClientSession
) -> None:
    pair = make(tmp_path)
    trusting = ssl.create_default_context(cafile=str(pair.cert))
    async with doors(tls_cert=str(pair.cert), tls_key=str(pair.key)) as here:
        assert here.http.startswith("https://")
        async with web.get(f"{here.http}/v1/models", ssl=trusting) as got:
            assert got.status == 200
        own = {"Origin": here.http}
        async with web.ws_connect(
            f"{here.http}/v1/realtime", ssl=trusting, headers=own
        ) as opened:
            assert (await opened.receive_json())["type"] == "session.created"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await web.get(f"{here.http}/healthz")
        with pytest.raises(aiohttp.ClientError):
            await web.get(here.http.replace("https", "http") + "/healthz")
