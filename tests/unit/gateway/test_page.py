"""The page's files, and the rules that browsers are to hold them to."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.access import Access
from gateway.access.origins import Origins
from gateway.fronts.gate import Gate
from gateway.fronts.http import HttpFront
from gateway.fronts.page import Page
from gateway.settings import GatewaySettings
from services.runtime.admission import Admission


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page" / "js").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text("<!doctype html>the page")
    (tmp_path / "page" / "js" / "app.js").write_text("talk()")
    (tmp_path / "secret.txt").write_text("not for you")
    return tmp_path / "page"


@pytest.fixture
async def address(folder: Path) -> AsyncIterator[str]:
    settings = GatewaySettings()
    gate = Gate(Access(settings), Origins("", by_name=False), Admission(1), 1)
    front = HttpFront([Page(folder)], gate)
    port = await front.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await front.stop()


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("/", "text/html", "the page"),
        ("/index.html", "text/html", "the page"),
        ("/js/app.js", "application/javascript", "talk()"),
    ],
)
async def test_each_file_is_at_its_path(
    path: str, kind: str, text: str, address: str, web: aiohttp.ClientSession
) -> None:
    async with web.get(address + path) as got:
        assert (got.status, got.content_type) == (200, kind)
        assert text in await got.text()


async def test_a_page_may_reach_its_gateway_and_nothing_else(
    address: str, web: aiohttp.ClientSession
) -> None:
    async with web.get(address) as got:
        policy = dict(
            rule.split(" ", 1)
            for rule in got.headers["Content-Security-Policy"].split("; ")
        )
        assert policy["default-src"] == "'none'"
        host = address.removeprefix("http://")
        assert policy["connect-src"] == f"'self' ws://{host}"
        assert "unsafe" not in got.headers["Content-Security-Policy"]
        # A script of text that somebody brought would be one by "blob:" or "data:".
        assert policy["script-src"] == policy["worker-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "microphone=(self)" in got.headers["Permissions-Policy"]
        assert got.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["a; script-src *", "a b", "'unsafe-inline'"])
async def test_a_host_that_is_none_does_not_get_into_the_rules(
    host: str, address: str, web: aiohttp.ClientSession
) -> None:
    async with web.get(address, headers={"Host": host}) as got:
        assert host not in got.headers.get("Content-Security-Policy", "")


async def test_an_unchanged_file_is_not_sent_again(
    address: str, web: aiohttp.ClientSession
) -> None:
    async with web.get(f"{address}/js/app.js") as got:
        assert got.headers["Cache-Control"] == "no-cache"
        tag = got.headers["ETag"]
    headers = {"If-None-Match": tag}
    async with web.get(f"{address}/js/app.js", headers=headers) as got:
        assert got.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/js/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
    ],
)
async def test_what_is_beside_the_folder_is_not_there(
    path: str, address: str, web: aiohttp.ClientSession
) -> None:
    async with web.get(aiohttp.client.URL(address + path, encoded=True)) as got:
        assert got.status == 404
        assert "not for you" not in await got.text()
