"""Statuses that are counted by their hundred: their set is closed, whatever handlers answer."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY

from gateway.fronts import http_telemetry


def counted(code: str) -> float:
    name = "antiphon_http_request_duration_seconds_count"
    labels = {"route": "/v1/{status}", "code": code}
    return REGISTRY.get_sample_value(name, labels) or 0


async def answer(request: web.Request) -> web.Response:
    """With the status that the path asks for."""
    status = int(request.match_info["status"])
    if status == web.HTTPFound.status_code:
        raise web.HTTPFound("/elsewhere")
    return web.Response(status=status)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, "200"),
        (202, "2xx"),
        (302, "3xx"),
        (418, "4xx"),
        (429, "429"),
        (502, "5xx"),
    ],
)
async def test_a_status_that_we_do_not_give_is_counted_by_its_hundred(
    status: int, code: str
) -> None:
    application = web.Application()
    http_telemetry.install(application)
    application.router.add_get("/v1/{status}", answer)
    before = counted(code)
    async with (
        TestClient(TestServer(application)) as client,
        client.get(f"/v1/{status}", allow_redirects=False) as got,
    ):
        assert got.status == status
    assert counted(code) == before + 1
