"""What every process tells of itself from its start, before anything has happened."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from platform import python_version

import aiohttp
import grpc

from tests.e2e.house import samples

SERVE = """
import sys
from antiphon.v1 import stt_pb2_grpc
from services.runtime.server import Service, run
from services.stt.settings import SpeechToTextSettings

class Nothing(Service):
    name = "stt"
    full_names = ("antiphon.v1.SpeechToText",)
    pages = {"/echo": dict}

    def register(self, server):
        stt_pb2_grpc.add_SpeechToTextServicer_to_server(stt_pb2_grpc.SpeechToTextServicer(), server)
    async def start(self): ...
    async def stop(self): ...

run(Nothing(), SpeechToTextSettings.load(sys.argv[1:]))
"""

PATIENCE = 30.0
"""Seconds after which a test that waits for the process has failed."""


@asynccontextmanager
async def process() -> AsyncIterator[tuple[Process, str]]:
    """One that serves, and its metrics port."""
    flags = ["--port=0", "--metrics-port=0", "--log-format=json"]
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, *flags, stderr=PIPE
    )
    assert running.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            loading = json.loads(await running.stderr.readline())
            assert loading["event"] == "loading"
            await running.stderr.readuntil(b'"serving"')
            yield running, f"http://127.0.0.1:{loading['metrics_port']}"
            running.terminate()
            assert await running.wait() == 0
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def test_a_process_says_what_runs_and_that_nothing_has_failed_yet() -> None:
    async with process() as (_, port), aiohttp.ClientSession() as http:
        found = await samples(http, f"{port}/metrics")
        async with http.get(f"{port}/echo?last=3") as answer:
            assert await answer.json() == {"last": "3"}
    what = {
        "python": python_version(),
        "service": "stt",
        "version": version("antiphon"),
    }
    labels = ",".join(f'{label}="{value}"' for label, value in what.items())
    assert found[f"antiphon_build_info{{{labels}}}"] == 1
    for method in ("Describe", "Transcribe"):
        for code in grpc.StatusCode:
            name = f'antiphon_errors_total{{code="{code.name}",method="{method}"}}'
            if code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
                assert name not in found
            else:
                assert found[name] == 0


async def test_a_process_watches_its_loop_from_the_start() -> None:
    async with process() as (_, port), aiohttp.ClientSession() as http:
        while not (found := await samples(http, f"{port}/metrics"))[
            "antiphon_loop_lag_seconds_count"
        ]:
            pass
    assert found["antiphon_loop_lag_seconds_sum"] >= 0
