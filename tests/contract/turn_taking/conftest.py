"""A gateway that predicts the ends of turns, by a script."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.endings import ScriptedEnding
from tests.fakes.running_gateway import RunningGateway, running
from tests.fakes.stages import Script, serving


@pytest.fixture
async def script() -> Script:
    return Script(
        hear=lambda _conversation, turn: f"This is {turn}.",
        write=lambda request: [request.messages[-1].content[0].text[-2:]],
    )


@pytest.fixture
async def ending() -> ScriptedEnding:
    return ScriptedEnding()


@pytest.fixture
async def gateway(
    script: Script, ending: ScriptedEnding
) -> AsyncIterator[RunningGateway]:
    async with (
        serving(script) as stages,
        running(
            stages, ending=ending, endpointing="predicted", eagerness="medium"
        ) as gateway,
    ):
        yield gateway
