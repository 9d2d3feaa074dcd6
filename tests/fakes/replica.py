"""A stage's process, with all that the runtime puts around a stage, that says who is asked, and over which connection.

``python -m tests.fakes.replica --host 127.0.0.2 --port 50051``
"""

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import grpc

from antiphon.v1 import llm_pb2
from services.runtime.server import Service, run
from services.runtime.settings import ServiceSettings
from services.runtime.streams import write
from tests.fakes.stages import (
    FakeTts,
    LanguageModelServicer,
    Script,
    add_LanguageModelServicer_to_server,
    add_TextToSpeechServicer_to_server,
)

PATIENCE = 60.0
"""Seconds for a process to start or to end on a busy machine."""


class _Telling(LanguageModelServicer):
    def __init__(self, host: str) -> None:
        self._host = host

    async def Generate(self, _request: object, context: object) -> None:
        told = f"{self._host} {context.peer()}"
        await write(context, llm_pb2.GenerateResponse(text=told))
        summary = llm_pb2.GenerateSummary(finish_reason=llm_pb2.FINISH_REASON_STOP)
        await write(context, llm_pb2.GenerateResponse(summary=summary))


class _Replica(Service):
    name: ClassVar[str] = "llm"
    full_names: ClassVar[tuple[str, ...]] = (
        "antiphon.v1.LanguageModel",
        "antiphon.v1.TextToSpeech",
    )

    def __init__(self, settings: ServiceSettings) -> None:
        self._host = settings.host

    def register(self, server: grpc.aio.Server) -> None:
        add_LanguageModelServicer_to_server(_Telling(self._host), server)
        add_TextToSpeechServicer_to_server(FakeTts(Script()), server)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


@dataclass
class Replica:
    """A running one.

    Attributes:
        port: where it answers gRPC.
        process: to be terminated.
    """

    port: int
    process: Process

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def replica(
    host: str = "127.0.0.1", port: int = 0, **settings: object
) -> AsyncIterator[Replica]:
    """A process that serves; it is gone when the block ends.

    Args:
        host: one of this machine's loopback addresses.
        port: of gRPC; 0 takes a free one.
        settings: of any service.
    """
    given = {"host": host, "port": port, "log_format": "json", **settings}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, *flags, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            serving_at = await _serving(process)
        yield Replica(serving_at, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _serving(process: Process) -> int:
    assert process.stderr is not None
    async for line in process.stderr:
        if (said := json.loads(line))["event"] == "serving":
            return int(said["port"])
    raise AssertionError("the replica ended before it served")


if __name__ == "__main__":
    _settings = ServiceSettings.load()
    run(_Replica(_settings), _settings)
