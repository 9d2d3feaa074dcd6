"""Keys, origins and TLS at the HTTP port, whatever is asked for there."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.access.access import ANYONE
from gateway.access.secrets import Secrets
from services.runtime.keys import hashed
from tests.fakes.certificates import make
from tests.fakes.doors import doors
from tests.fakes.stages import Script
from tests.fakes.visitors import (
    ASKED,
    BEARER,
    CHAT,
    FOREIGN,
    KEY,
    KEYS,
    error,
    upgrade,
    with_headers,
)


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
