"""The Node.js client of five lines does what it says, with packages of its lock file."""

import shutil

import pytest

from tests.examples.quickstart import PROGRAMS, gateway, output, text_of

FOLDER = PROGRAMS["js"].parent

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None
    or not (FOLDER / "node_modules" / ".made-from").exists(),
    reason="Node.js, or what `make test-browser` fetches for it, is missing",
)


async def test_the_node_client_prints_the_answer() -> None:
    async with gateway() as address:
        program = text_of("js", address)
        said = await output("node", "--input-type=module", "-e", program, folder=FOLDER)
    assert said == "What do bees make?\n"
