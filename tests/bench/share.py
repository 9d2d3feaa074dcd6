"""The gateway's own share: a real gateway process on one core, scripted stages of zero delay, real speech.

With stages that take no time, all of a turn's latency but the silence that ends it is the gateway's doing, the
round trips to the stages included. Clients and stages have the other cores.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from rich.console import Console

from antiphon.supervisor import GrpcHealth
from tests.bench.figures import percentiles, table
from tests.bench.fronts import FRAME, Answered, Front, door
from tests.microphone import QUESTIONS, Recording, recording

GAP = 1.0
"""Seconds of silence after an answer, before the next question."""


async def measure(
    console: Console, conversations: list[int], rounds: int
) -> dict[str, Any]:
    """Print and return the figures for so many conversations at once, by each front."""
    rows = []
    for front in Front:
        for count in conversations:
            async with processes() as running:
                rows.append(await carry(running, front, count, rounds))
            console.print(
                f"{front.value}, {count} conversations: {rows[-1]}", highlight=False
            )
    console.print(
        table(
            "Gateway's own share, stages of zero delay (ms; CPU and messages as named)",
            rows,
        )
    )
    return {"frame_ms": FRAME * 1000, "rounds": rounds, "rows": rows}


async def carry(
    running: "Running", front: Front, count: int, rounds: int
) -> dict[str, Any]:
    """Hold so many conversations of so many turns each at once; what they took."""
    said = _spaced(recording(QUESTIONS[2]))
    async with door(front, running.grpc, running.http) as way_in:
        loop = asyncio.get_running_loop()
        turns: list[Answered] = []
        messages = 0

        async def converse(index: int) -> None:
            nonlocal messages
            # Spread over a turn, as strangers would be.
            await asyncio.sleep(index / count * 3.0)
            async with way_in.open() as asker:
                for _ in range(rounds):
                    if (answered := await asker.ask(said)) is not None:
                        turns.append(answered)
                messages += asker.messages

        began, spent = loop.time(), _cpu(running.gateway)
        async with asyncio.TaskGroup() as group:
            for index in range(count):
                group.create_task(converse(index))
        took, spent = loop.time() - began, _cpu(running.gateway) - spent
    return {
        "front": front.value,
        "conversations": count,
        "turns": f"{len(turns)}/{count * rounds}",
        **_named("at the client", [turn.heard for turn in turns]),
        **_named("with stages", [turn.hops for turn in turns]),
        **_named("own", [turn.own for turn in turns]),
        "CPU s / conversation min": round(spent / (count * took / 60), 3),
        "core %": round(100 * spent / took),
        "client messages / s": round(messages / took),
    }


def _named(what: str, seconds: list[float]) -> dict[str, float]:
    return {f"{what} {n}": value for n, value in percentiles(seconds, (50, 99)).items()}


def _spaced(said: Recording) -> Recording:
    return Recording(
        said.name, bytes(round(GAP * 32_000)) + said.samples, GAP + said.speech_end
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@dataclass(frozen=True)
class Running:
    """A gateway.

    Attributes:
        grpc: where it answers gRPC.
        http: where it answers HTTP.
        metrics: where it answers scrapers.
        gateway: the process.
    """

    grpc: str
    http: str
    metrics: str
    gateway: psutil.Process


@asynccontextmanager
async def processes(
    reply: str = "Right.", traced: bool = False
) -> AsyncIterator[Running]:
    """A gateway on the last core before scripted stages on the others.

    Args:
        reply: of the model.
        traced: the gateway sends its traces to a receiver beside the stages.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    stages = await _start("-m", "tests.bench.scripted", reply, cores=cores[:-1])
    assert stages.stdout is not None
    address, receiver = (await stages.stdout.readline()).decode().split()
    port, http_port, metrics_port = _free_port(), _free_port(), _free_port()
    where = [f"--{stage}={address}" for stage in ("stt", "llm", "tts")]
    own = [
        f"--port={port}",
        f"--metrics-port={metrics_port}",
        f"--http-port={http_port}",
        "--max-streams=500",
        "--log-level=warning",
    ]
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver if traced else ""}
    gateway = await _start("-m", "gateway", *where, *own, cores=cores[-1:], **endpoint)
    if cores[1:]:
        psutil.Process().cpu_affinity(cores[:-1])
    try:
        probe = GrpcHealth(f"127.0.0.1:{port}")
        while not await probe.ready():  # noqa: ASYNC110  # a process can only be asked
            await asyncio.sleep(0.1)
        process = psutil.Process(gateway.pid)
        yield Running(
            f"127.0.0.1:{port}",
            f"http://127.0.0.1:{http_port}",
            f"http://127.0.0.1:{metrics_port}/metrics",
            process,
        )
    finally:
        for process in (gateway, stages):
            process.send_signal(signal.SIGTERM)
            await process.wait()
        if cores:
            psutil.Process().cpu_affinity(cores)


async def _start(
    *arguments: str, cores: list[int], **environment: str
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    if cores:
        psutil.Process(process.pid).cpu_affinity(cores)
    return process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
