"""`RealtimeSession` of @openai/agents, over the transports that it brings, changes one URL and holds a conversation."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.browser.agents.clerk import Told, check, clerk, office
from tests.browser.chromium import chromium, needs_chromium
from tests.browser.recordings import pcm, wav

HERE = Path(__file__).parent
PATIENCE = 120.0

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules" / ".made-from").exists(),
    reason="Node.js, or what `make test-browser` fetches for it, is missing",
)


@asynccontextmanager
async def site(question: bytes) -> AsyncIterator[str]:
    """An application's own web site, with the library and a recorded question."""

    async def recorded(_request: web.Request) -> web.Response:
        return web.Response(body=question, content_type="audio/wav")

    application = web.Application()
    application.router.add_get("/question.wav", recorded)
    application.router.add_static("/", HERE)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def node(program: str, *arguments: str) -> Told:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / program),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return dict(json.loads(out))


@needs_node
async def test_over_websocket_in_node(tmp_path: Path) -> None:
    script = clerk()
    question = tmp_path / "question.pcm"
    question.write_bytes(pcm("06-what-do-bees-make.flac", 24_000))
    async with office(script) as gateway:
        url = f"{gateway.replace('http', 'ws')}/v1/realtime"
        told = await node("node.mjs", url, str(question))
    check(told, script)


@needs_node
@needs_chromium
async def test_over_webrtc_in_chromium() -> None:
    script = clerk()
    question = wav(pcm("06-what-do-bees-make.flac", 48_000), 48_000)
    async with (
        site(question) as url,
        office(script, origins=url) as gateway,
        chromium() as browser,
    ):
        page = await browser.new_page()
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(f"{url}/browser.html")
        await page.wait_for_function("() => Boolean(window.converse)")
        async with asyncio.timeout(PATIENCE):
            told = await page.evaluate(
                "(gateway) => converse(`${gateway}/v1/realtime/calls`, 'none')", gateway
            )
    assert not failures
    check(told, script)
    assert told["loudest"] > 0.02
