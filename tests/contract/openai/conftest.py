"""The HTTP neighbours on a real port, before scripted stages, asked by OpenAI's own client."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import REGISTRY

from gateway.fronts import http_telemetry
from gateway.fronts.openai.errors import errors_as_json
from gateway.fronts.openai.neighbours import Neighbours
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from tests.fakes.hearing import LoudnessVoice
from tests.fakes.spans import Spans, recorded
from tests.fakes.stages import Script, serving


@dataclass
class Running:
    """A gateway's HTTP port.

    Attributes:
        url: of the port.
        script: of the stages behind it.
        openai: OpenAI's client.
        http: a client without manners.
    """

    url: str
    script: Script
    openai: AsyncOpenAI
    http: aiohttp.ClientSession


Start = Callable[..., AbstractAsyncContextManager[Running]]


@asynccontextmanager
async def start(
    script: Script | None = None, stt: str = "", **settings: object
) -> AsyncIterator[Running]:
    """The neighbours before scripted stages.

    Args:
        script: of the stages.
        stt: address of another recognizer.
        settings: of the gateway.
    """
    script = script or Script()
    async with serving(script) as stages:
        chosen = GatewaySettings(port=0, **settings)
        directory = Stages(stt or stages, stages, stages)
        neighbours = Neighbours(directory, chosen, LoudnessVoice())
        application = web.Application(middlewares=[errors_as_json])
        http_telemetry.install(application)
        application.add_routes(neighbours.routes())
        runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
        try:
            async with client, aiohttp.ClientSession(url) as http:
                yield Running(url, script, client, http)
        finally:
            await runner.cleanup()
            await neighbours.close()
            await directory.close()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with start() as neighbours:
        yield neighbours


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as found:
        yield found


def counted(route: str, code: str) -> float:
    """Requests that the metric has of a route and a code."""
    name = "antiphon_http_request_duration_seconds_count"
    return REGISTRY.get_sample_value(name, {"route": route, "code": code}) or 0


async def ended(spans: Spans, name: str) -> ReadableSpan:
    """The only span of a name, once nothing is open any more."""
    await spans.all_ended()
    return spans.one(name)
