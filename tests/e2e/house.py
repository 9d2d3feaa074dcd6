"""A pipeline of real processes before a scripted language model, and how to see that it is at rest."""

import asyncio
from dataclasses import dataclass

import aiohttp

from antiphon.supervisor import State
from tests.fakes.upstream import ScriptedUpstream
from tests.stack import Stack

FIRST_TOKEN_SECONDS = 2.0
"""How long the impatient model waits for a token; the patient one waits for its 10 s."""

LONGEST_ANSWER = "24"
"""Tokens; every one of them is spoken in real time."""

IMPATIENT = "impatient"
LIMITED = "limited"
_OPEN = ("antiphon_streams_open", "antiphon_conversations_open")
_AWAY_SECONDS = 20.0
_BACK_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class House:
    """A pipeline whose language model follows a script.

    Attributes:
        stack: the processes.
        upstream: what the language-model stage asks.
    """

    stack: Stack
    upstream: ScriptedUpstream

    @property
    def gateway(self) -> str:
        return self.stack.gateway


async def nothing_open(running: Stack) -> None:
    """Wait until no process holds a conversation or a stream any more.

    A process tells this to whoever asks for its metrics, and to nobody else.
    """
    async with asyncio.timeout(_AWAY_SECONDS), aiohttp.ClientSession() as http:
        for name in ("gateway", "stt", "llm", "tts"):
            url = running.url(name, "metrics_port", "/metrics")
            while await _anything_open(http, url):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def restarted(running: Stack, name: str) -> None:
    """Wait until the supervisor has started a stage again and the gateway has found it.

    The gateway looks for a lost stage a few times a second; that it has found it, it tells to whoever asks.
    """
    async with asyncio.timeout(_BACK_SECONDS), aiohttp.ClientSession() as http:
        await running.until(name, State.READY)
        while not await ready(http, running):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def ready(http: aiohttp.ClientSession, running: Stack) -> bool:
    """Whether the gateway says that a conversation would be answered."""
    async with http.get(running.url("gateway", "http_port", "/readyz")) as response:
        return response.status == 200


async def _anything_open(http: aiohttp.ClientSession, url: str) -> bool:
    found = await samples(http, url)
    return any(found[gauge] for gauge in _OPEN)


async def samples(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """What a process counts, by metric and labels as they are written."""
    async with http.get(url) as response:
        assert response.status == 200
        lines = (await response.text()).splitlines()
    named = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in named}
