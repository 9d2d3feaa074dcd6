"""Which HTTP requests are traced and timed, under which names, and what their answers say of it."""

import aiohttp
import pytest
from opentelemetry.trace import StatusCode

from services.runtime.telemetry import metrics, names
from tests.contract.openai.conftest import counted, ended
from tests.fakes.doors import doors
from tests.fakes.spans import Spans, told, trace_of
from tests.fakes.visitors import KEYS, upgrade


async def test_who_has_no_key_is_counted_and_no_fault_of_ours(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = counted("/v1/models", "401")
    async with doors(**KEYS) as here:
        async with web.get(f"{here.http}/v1/models") as got:
            assert got.headers["X-Request-Id"]
        request = await ended(spans, "GET /v1/models")
    assert told(request)[names.HTTP_STATUS_CODE] == 401
    assert request.status.status_code is StatusCode.UNSET
    assert counted("/v1/models", "401") == before + 1


async def test_a_page_of_another_site_may_read_the_requests_id(
    web: aiohttp.ClientSession,
) -> None:
    origin = "https://elsewhere.example"
    async with (
        doors(origins=origin) as here,
        web.get(f"{here.http}/v1/models", headers={"Origin": origin}) as got,
    ):
        assert "X-Request-Id" in got.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v1/models/some/name", "/v1/models/{id}"),
        ("DELETE", "/v1/realtime/calls/some", "/v1/realtime/calls/{id}"),
        ("POST", "/v1/realtime/calls/some/hangup", "/v1/realtime/calls/{id}/hangup"),
    ],
)
async def test_what_a_path_names_is_in_no_route(
    method: str, path: str, route: str, spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = counted(route, "404")
    async with doors() as here:
        async with web.request(method, here.http + path) as got:
            assert got.status == 404
        request = await ended(spans, f"{method} {route}")
    assert told(request)[names.HTTP_ROUTE] == route
    assert "some" not in request.to_json()
    assert counted(route, "404") == before + 1


async def test_what_leads_to_a_conversation_is_a_request_like_any_other(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    path = "/v1/realtime/client_secrets"
    before = counted(path, "200")
    async with doors() as here:
        async with web.post(here.http + path) as got:
            assert got.status == 200
            told_as = got.headers["X-Request-Id"]
        request = await ended(spans, f"POST {path}")
    assert told_as == f"{trace_of(request):032x}"
    assert counted(path, "200") == before + 1


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/embeddings", "404"),
        ("GET", "/wp-login.php", "404"),
        ("PUT", "/v1/models", "405"),
    ],
)
async def test_what_there_is_not_is_counted_together_and_not_traced(
    method: str, path: str, code: str, spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = counted("other", code)
    async with doors() as here, web.request(method, here.http + path) as got:
        assert str(got.status) == code
        assert "X-Request-Id" not in got.headers
    assert counted("other", code) == before + 1
    assert _http(spans) == []


async def test_conversations_pages_and_probes_are_no_requests(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = _routes()
    async with doors() as here:
        for path in ("/", "/docs", "/healthz", "/readyz"):
            async with web.get(here.http + path) as got:
                assert got.status == 200
        address = f"{here.http}/v1/realtime"
        async with web.get(address, headers=upgrade()) as got:
            assert got.status == 101
            got.close()
    assert _routes() == before
    assert _http(spans) == []


async def test_a_request_leads_to_its_trace(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    async with doors() as here:
        async with web.get(f"{here.http}/v1/audio/voices") as got:
            id = got.headers["X-Request-Id"]
        await ended(spans, "GET /v1/audio/voices")
    assert {"trace_id": id} in [
        sample.exemplar.labels
        for family in metrics.HTTP_REQUESTS.collect()
        for sample in family.samples
        if sample.labels["route"] == "/v1/audio/voices" and sample.exemplar
    ]


def _http(spans: Spans) -> list[str]:
    """Names of the spans of HTTP requests, open ones too."""
    every = [*spans, *spans.open.values()]
    return [span.name for span in every if names.HTTP_METHOD in told(span)]


def _routes() -> dict[tuple[str, str], float]:
    """Requests of each route and code."""
    return {
        (sample.labels["route"], sample.labels["code"]): sample.value
        for family in metrics.HTTP_REQUESTS.collect()
        for sample in family.samples
        if sample.name.endswith("_count")
    }
