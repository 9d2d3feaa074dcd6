"""One running project for all tests, begun with the first that needs it and removed behind the last."""

import os
import subprocess
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.compose.project import Project

NAME = os.environ.get("COMPOSE_PROJECT_NAME", "antiphon-test")
LONGEST_TEST = 400
"""Seconds, the start of the pipeline included."""
MOST_LINES = 50
"""Of each container's log, with a test that failed."""
ERASE_LINE = "\x1b[2K"
"""Compose writes it before each line, whatever it is told."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Containers that come up need their time."""
    for item in items:
        # All that were collected are told to every folder.
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(LONGEST_TEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the containers have written beside a failure."""
    report = yield
    if report.failed and "project" in getattr(item, "fixturenames", ()):
        about = ("docker", "compose", "--project-name", NAME)
        logs = subprocess.run(
            (*about, "logs", f"--tail={MOST_LINES}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        plain = logs.stdout.replace(ERASE_LINE, "")
        report.sections.append(("logs of the containers", plain))
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def project() -> AsyncIterator[Project]:
    """A project of its own name and ports; nothing of it is left."""
    made = Project(NAME)
    # What a run that was killed has left behind.
    await made.down()
    try:
        yield made
    finally:
        await made.down()


@pytest_asyncio.fixture(loop_scope="session")
async def pipeline(project: Project) -> Project:
    """One healthy container of each service, whatever the test before has done."""
    await project.up()
    return project
