"""A stage that dies is started again, and the next turn works."""

import pytest

from tests.compose.asking import ask
from tests.compose.project import Project, run_python, until
from tests.e2e.talking import talking

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = "What do bees make?"

KILL = """
import os, pathlib, signal
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    if b"services.tts\\0" in (folder / "cmdline").read_bytes() and folder.name != "1":
        os.kill(int(folder.name), signal.SIGKILL)
"""
"""Not `docker kill`: whoever kills a container by hand does not want it started again."""


async def test_a_stage_that_dies_is_started_again(pipeline: Project) -> None:
    async with talking(pipeline.gateway, microphone=False) as person:
        await ask(person, QUESTION)
        before = await pipeline.container("tts")
        await run_python(before, KILL)

        async def back() -> bool:
            now = await pipeline.container("tts")
            started = now["State"]["StartedAt"] != before["State"]["StartedAt"]
            return bool(started and now["State"]["Health"]["Status"] == "healthy")

        await until(back, "tts is back")
        after = await pipeline.container("tts")
        assert after["Id"] == before["Id"]
        assert after["RestartCount"] == before["RestartCount"] + 1
        await ask(person, QUESTION)
        await person.finish()
