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
from typing import Any

import psutil
from rich.console import Console

from antiphon.client import connect
from antiphon.supervisor import GrpcHealth
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.units import to_seconds
from tests.bench.figures import percentiles, table
from tests.microphone import QUESTIONS, Microphone, Recording, recording

FRAME = 0.08
"""Seconds of audio in a client's message."""

GAP = 1.0
"""Seconds of silence after an answer, before the next question."""


async def measure(
    console: Console, conversations: list[int], rounds: int
) -> dict[str, Any]:
    """Print and return the figures for so many conversations at once."""
    rows = []
    for count in conversations:
        rows.append(await _measure(count, rounds))
        console.print(f"{count} conversations: {rows[-1]}", highlight=False)
    console.print(
        table(
            "Gateway's own share, stages of zero delay (ms; CPU and messages as named)",
            rows,
        )
    )
    return {"frame_ms": FRAME * 1000, "rounds": rounds, "rows": rows}


async def _measure(count: int, rounds: int) -> dict[str, Any]:
    said = recording(QUESTIONS[2])
    async with processes() as (address, gateway), connect(address) as client:
        loop = asyncio.get_running_loop()
        turns: list[pb.TurnEnded] = []
        messages = 0

        async def converse(index: int) -> None:
            nonlocal messages
            # Spread over a turn, as strangers would be.
            await asyncio.sleep(index / count * 3.0)
            async with (
                client.converse() as conversation,
                Microphone(conversation, FRAME) as microphone,
            ):
                received = 0
                events = aiter(conversation)
                for _ in range(rounds):
                    microphone.say(_spaced(said))
                    async for event in events:
                        received += 1
                        if isinstance(event, pb.TurnEnded):
                            turns.append(event)
                            break
                messages += microphone.frames + received
                await conversation.finish()

        began, spent = loop.time(), _cpu(gateway)
        async with asyncio.TaskGroup() as group:
            for index in range(count):
                group.create_task(converse(index))
        took, spent = loop.time() - began, _cpu(gateway) - spent
    answered = [turn.waterfall for turn in turns if turn.HasField("waterfall")]
    hops = [to_seconds(fall.total) - to_seconds(fall.endpointing) for fall in answered]
    own = [to_seconds(fall.gateway) for fall in answered]
    return {
        "conversations": count,
        "turns": f"{len(answered)}/{count * rounds}",
        **{
            f"with stages {name}": value
            for name, value in percentiles(hops, (50, 99)).items()
        },
        **{f"own {name}": value for name, value in percentiles(own, (50, 99)).items()},
        "CPU s / conversation min": round(spent / (count * took / 60), 3),
        "core %": round(100 * spent / took),
        "client messages / s": round(messages / took),
    }


def _spaced(said: Recording) -> Recording:
    return Recording(
        said.name, bytes(round(GAP * 32_000)) + said.samples, GAP + said.speech_end
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def processes(reply: str = "Right.") -> AsyncIterator[tuple[str, psutil.Process]]:
    """A gateway on the last core before scripted stages on the others; its address and process."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    stages = await _start("-m", "tests.bench.scripted", reply, cores=cores[:-1])
    assert stages.stdout is not None
    address = (await stages.stdout.readline()).decode().strip()
    port = _free_port()
    where = [f"--{stage}={address}" for stage in ("stt", "llm", "tts")]
    own = [
        f"--port={port}",
        "--metrics-port=0",
        "--http-port=0",
        "--max-streams=500",
        "--log-level=warning",
    ]
    gateway = await _start("-m", "gateway", *where, *own, cores=cores[-1:])
    if cores[1:]:
        psutil.Process().cpu_affinity(cores[:-1])
    try:
        probe = GrpcHealth(f"127.0.0.1:{port}")
        while not await probe.ready():  # noqa: ASYNC110  # a process can only be asked
            await asyncio.sleep(0.1)
        yield f"127.0.0.1:{port}", psutil.Process(gateway.pid)
    finally:
        for process in (gateway, stages):
            process.send_signal(signal.SIGTERM)
            await process.wait()
        if cores:
            psutil.Process().cpu_affinity(cores)


async def _start(*arguments: str, cores: list[int]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    if cores:
        psutil.Process(process.pid).cpu_affinity(cores)
    return process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
