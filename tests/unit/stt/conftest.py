"""A scheduler before an engine that does as it is told; a test file with an `engine` of its own gets that."""

from collections.abc import AsyncIterator

import pytest

from services.stt.scheduler import Scheduler
from tests.fakes.engines import ScriptedRecognizer


@pytest.fixture
def engine() -> ScriptedRecognizer:
    return ScriptedRecognizer()


@pytest.fixture
def held(engine: ScriptedRecognizer) -> ScriptedRecognizer:
    """It is held, and asks whether to go on."""
    engine.asks = True
    engine.hold()
    return engine


@pytest.fixture
async def scheduler(engine: ScriptedRecognizer) -> AsyncIterator[Scheduler]:
    made = Scheduler(lambda: engine, None)
    await made.start()
    yield made
    engine.release()
    await made.stop()
