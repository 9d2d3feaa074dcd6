"""The gateway: whole conversations, before scripted stages that take no time."""

import asyncio

from rich.console import Console

from deploy.capacity.figures import GATEWAY, Replica, Step
from gateway.settings import GatewaySettings
from tests.bench import share
from tests.bench.capacity.load import Climb, Load, ascend, step
from tests.bench.capacity.replica import Running, last_core
from tests.bench.fronts import FRAME, Front, door
from tests.microphone import QUESTIONS, Recording, recording

ARRIVING = 5.0
"""Seconds; about as long as a turn."""


async def measure(
    console: Console, budget: float, first: int, most: int, seconds: float
) -> Replica:
    """What one gateway carries, over gRPC; a WebSocket costs it up to 2 % more (docs/benchmarks.md)."""
    series = 0
    core = last_core()

    async def once(count: int) -> tuple[Step, int]:
        nonlocal series
        async with share.processes() as made:
            running = Running(made.grpc, made.metrics, made.gateway, core)
            done = await _carry(made, running, count, seconds)
            series = await running.series()
        return done, count

    climb: Climb = await ascend(
        console, GATEWAY, once, budget=budget, first=first, most=most
    )
    at_limit = next(
        (each for each in climb.steps if each.at_once == climb.carried), climb.steps[0]
    )
    return Replica(
        source=f"recorded questions over gRPC in frames of {FRAME * 1000:.0f} ms, before scripted stages of zero delay; waited for: "
        "the gateway's own share of response latency",
        carried=climb.carried,
        at_least=climb.at_least,
        claimed=GatewaySettings.model_fields["max_streams"].default,
        streams=climb.carried,
        memory_mb=at_limit.memory_mb,
        series=series,
        steps=climb.steps,
    )


async def _carry(
    made: share.Running, running: Running, count: int, seconds: float
) -> Step:
    said = _after_a_gap(recording(QUESTIONS[2]))
    loop = asyncio.get_running_loop()
    load = Load(loop.time() + ARRIVING, loop.time() + ARRIVING + seconds)
    spent = others = 0.0

    async with door(Front.GRPC, made.grpc, made.http) as way_in:

        async def converse(index: int) -> None:
            await asyncio.sleep(index / count * ARRIVING)
            async with way_in.open() as asker:
                while not load.over:
                    with load.stream():
                        answered = await asker.ask(said)
                    if answered is None:
                        load.late()
                        return
                    load.waited(answered.own)

        async def look() -> None:
            nonlocal spent, others
            await asyncio.sleep(load.begins - loop.time())
            spent, others = await running.shares(load.ends - loop.time())

        async with asyncio.TaskGroup() as group:
            group.create_task(look())
            for index in range(count):
                group.create_task(converse(index))
    return step(count, load, spent, others, running)


def _after_a_gap(said: Recording) -> Recording:
    return Recording(
        said.name,
        bytes(round(share.GAP * 32_000)) + said.samples,
        share.GAP + said.speech_end,
    )
