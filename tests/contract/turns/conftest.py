"""A gateway before scripted stages whose turns are traced; what is said in them is `QUESTION`."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fakes.running_gateway import RunningGateway, running
from tests.fakes.spans import Spans, recorded
from tests.fakes.stages import Script, serving
from tests.fakes.turn_traces import QUESTION


@pytest.fixture
async def script() -> Script:
    return Script(
        hear=lambda _conversation, _turn: QUESTION,
        write=lambda request: [request.messages[-1].content[0].text],
    )


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[RunningGateway]:
    async with serving(script) as stages, running(stages) as gateway:
        yield gateway


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as spans:
        yield spans
