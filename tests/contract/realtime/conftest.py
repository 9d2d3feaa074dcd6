"""The Realtime front before scripted stages, whose user says "question 1", "question 2" and so on."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.running_realtime import (
    Client,
    RunningRealtime,
    connected,
    running_realtime,
)
from tests.fakes.stages import Script, serving


@pytest.fixture
async def script() -> Script:
    return Script(hear=lambda _conversation, turn: f"question {turn}")


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[RunningRealtime]:
    async with serving(script) as stages, running_realtime(stages) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: RunningRealtime) -> AsyncIterator[Client]:
    async with connected(gateway) as client:
        yield client
