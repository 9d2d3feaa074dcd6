"""A gateway before scripted stages, whose user says "question 1", "question 2" and so on."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.running_gateway import RunningGateway, running
from tests.fakes.stages import Script, serving


@pytest.fixture
async def script() -> Script:
    return Script(hear=lambda _conversation, turn: f"question {turn}")


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[RunningGateway]:
    async with serving(script) as stages, running(stages) as gateway:
        yield gateway
