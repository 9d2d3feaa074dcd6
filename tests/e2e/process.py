"""One process of the pipeline without a supervisor, which would start it again: to see how it ends by itself."""

import asyncio
import json
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from antiphon.cli.parts import PARTS
from tests.e2e.talking import PATIENCE


class LoneProcess:
    """A running process whose log is followed.

    Attributes:
        http: where it answers HTTP, if it does.
        address: where it answers gRPC.
        metrics: where it counts.
        log: its lines, as far as they have been read.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self.http = ""
        self.address = ""
        self.metrics = ""
        self.log: list[str] = []

    async def logged(self, event: str) -> dict[str, Any]:
        """The next line of the log that says this."""
        assert self._process.stderr is not None
        seen = len(self.log)
        async with asyncio.timeout(PATIENCE):
            async for line in self._process.stderr:
                self.log.append(line.decode())
                if (
                    line.startswith(b"{")
                    and (said := json.loads(line))["event"] == event
                ):
                    return dict(said)
        said_before = "".join(self.log[seen:])
        raise AssertionError(f"it ended before it said {event!r}: {said_before}")

    def terminate(self) -> None:
        self._process.terminate()

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        async with asyncio.timeout(PATIENCE):
            await self.logged("stopped")
            return await self._process.wait()


@asynccontextmanager
async def lone_process(
    name: str, environment: Mapping[str, str] | None = None, module: str = ""
) -> AsyncIterator[LoneProcess]:
    """Start a part of the pipeline on free ports and wait until it serves; it is gone when the block ends.

    Args:
        name: of the part.
        environment: settings.
        module: run instead of the part's own.
    """
    part = next(part for part in PARTS if part.name == name)
    ports = {part.variable(setting): "0" for setting, _ in part.ports}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module or part.module,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            part.variable("log_format"): "json",
            **ports,
            **(environment or {}),
        },
        stderr=subprocess.PIPE,
    )
    running = LoneProcess(process)
    try:
        port = (await running.logged("loading"))["metrics_port"]
        running.metrics = f"http://127.0.0.1:{port}/metrics"
        if name == "gateway":
            running.http = f"http://127.0.0.1:{(await running.logged('http'))['port']}"
        running.address = f"127.0.0.1:{(await running.logged('serving'))['port']}"
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
