"""The command line as people run it: a process of its own."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.talking import PATIENCE

_COMMAND = Path(sys.executable).with_name("antiphon")


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        status: that it left with.
        output: what it wrote to standard output.
        errors: what it wrote to standard error.
    """

    status: int | None
    output: str
    errors: str


async def antiphon(*arguments: str, cwd: Path, **environment: str) -> Finished:
    """Run the command to its end, with nobody at the keyboard."""
    process = await asyncio.create_subprocess_exec(
        _COMMAND,
        *arguments,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return Finished(process.returncode, output.decode(), errors.decode())
