"""The clients of five lines, and a gateway that they can ask."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes.running_gateway import running
from tests.fakes.stages import Script, serving

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "python": ROOT / "examples/quickstart/python/ask.py",
    "js": ROOT / "examples/quickstart/node/ask.js",
    "go": ROOT / "examples/quickstart/go/ask.go",
}
"""By the language that the README's blocks are marked with."""

PATIENCE = 60.0
_WRITTEN = "localhost:50050"


@asynccontextmanager
async def gateway() -> AsyncIterator[str]:
    """A gateway that answers a question with itself."""
    script = Script(write=lambda request: [request.messages[-1].content[0].text])
    async with serving(script) as stages, running(stages) as gateway:
        yield gateway.address


def text_of(language: str, address: str) -> str:
    """A program as it is, but for the gateway that it asks."""
    text = PROGRAMS[language].read_text()
    assert text.count(_WRITTEN) == 1, text
    return text.replace(_WRITTEN, address)


async def output(*command: str, folder: Path) -> str:
    """What a program prints; it has to end well."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()
