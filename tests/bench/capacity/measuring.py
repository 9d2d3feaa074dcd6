"""One replica after the other, then a conversation; figures for deploy/capacity."""

import asyncio
import dataclasses
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console

from deploy.capacity import figures as names
from deploy.capacity import page, tables
from deploy.capacity.figures import Budgets, Figures, Replica
from services.runtime.telemetry import budgets
from tests.bench.capacity import conversing, gateway, hearing, speaking, writing
from tests.bench.capacity.load import Climb, Load, climb
from tests.bench.capacity.replica import others, running
from tests.bench.machine import machine

NO_LIMIT = "--max-streams=1000"
"""What a stage carries is to be found out, not what it lets in."""

SLOTS = 16
"""Of the local model: answers that it writes at once, and prompts that it keeps. By default it has 4."""


class People(Protocol):
    """Who speaks to a stage."""

    async def close(self) -> None:
        """Hang up."""

    async def claimed(self) -> int:
        """Streams that the stage says it carries."""

    async def person(self, index: int, load: Load) -> None:
        """One of them."""


async def measure(console: Console, seconds: float, write: bool) -> dict[str, Any]:
    """Print and return the figures; ``write`` puts them into deploy/capacity/figures.toml and docs/scaling.md.

    Args:
        console: told of every step.
        seconds: that each step counts.
        write: see above.
    """
    shares = budgets.load().shares
    where = machine()
    made = Figures(
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        machine=f"one core of {where['cores']} ({where['processor']}, {where['memory_gib']} GiB, Python {where['python']}; "
        f"load average {where['load']:g} before)",
        budgets=Budgets(
            **{
                name: round(shares[name] * 1000, 3)
                for name in ("stt", "llm", "tts", "gateway")
            }
        ),
        replicas={
            names.GATEWAY: await gateway.measure(
                console, shares["gateway"], 25, 200, seconds
            ),
            names.STT: await _hearing(console, shares["stt"], seconds),
            names.LLM: await _proxy(console, shares["llm"], seconds),
            names.LLM_LOCAL: await _local(console, shares["llm"], seconds),
            names.TTS: await _speaking(console, shares["tts"], seconds),
        },
        conversation=await conversing.measure(console),
    )
    console.print(tables.carried(made), highlight=False, soft_wrap=True)
    if write:
        names.write(made)
        page.PAGE.write_text(
            page.renewed(page.PAGE.read_text(encoding="utf-8"), made), encoding="utf-8"
        )
        console.print(f"Written to {names.SHIPPED} and {page.PAGE}", highlight=False)
    return dataclasses.asdict(made)


async def _hearing(console: Console, budget: float, seconds: float) -> Replica:
    return await _stage(
        console,
        names.STT,
        "services.stt",
        hearing.Speakers,
        "recorded sentences in real time, one after the other, in frames of 80 ms with interim results; waited for: checkpoint "
        "160 ms into the pause, to its transcript",
        budget=budget,
        most=64,
        arriving=hearing.ARRIVING,
        seconds=seconds,
    )


async def _speaking(console: Console, budget: float, seconds: float) -> Replica:
    return await _stage(
        console,
        names.TTS,
        "services.tts",
        speaking.Listeners,
        "answers of nine seconds in real time, one after the other, a first clause and then forty words a second; waited for: first "
        "clause to first audio, and all the rest of it in time",
        budget=budget,
        most=64,
        arriving=speaking.ARRIVING,
        # An answer is long, and its end counts, too.
        seconds=max(seconds, 2 * speaking.ARRIVING),
    )


async def _proxy(console: Console, budget: float, seconds: float) -> Replica:
    async with _hosted() as url:
        upstreams = [{"name": "hosted", "base_url": url}]
        return await _stage(
            console,
            names.LLM,
            "services.llm",
            writing.Readers,
            "questions, each asked when the answer before has been heard, of an upstream that answers after 250 ms as a hosted model "
            "does; waited for: first clause",
            "--upstreams",
            json.dumps(upstreams),
            budget=budget,
            first=32,
            most=512,
            arriving=writing.ARRIVING,
            seconds=seconds,
        )


async def _local(console: Console, budget: float, seconds: float) -> Replica:
    """The server on the core that is measured, its proxy beside those who ask."""
    with others() as core:
        async with running(
            "services.llm_local",
            f"--slots={SLOTS}",
            "--prompt-threads=1",
            cores=core,
            http=True,
        ) as server:
            upstream = {
                "name": "local",
                "base_url": f"http://{server.address}/v1",
                "slots": SLOTS,
                "context_tokens": 2048,
            }
            async with running(
                "services.llm",
                NO_LIMIT,
                "--upstreams",
                json.dumps([upstream]),
                cores=[],
            ) as proxy:
                readers = writing.Readers(proxy.address)
                try:
                    found = await climb(
                        console,
                        names.LLM_LOCAL,
                        server,
                        readers.person,
                        budget=budget,
                        first=1,
                        most=SLOTS,
                        arriving=writing.ARRIVING,
                        seconds=seconds,
                    )
                finally:
                    await readers.close()
    return _replica(
        found,
        f"questions, each asked when the answer before has been heard, of llama.cpp with {SLOTS} slots on the core, its proxy on "
        "another; waited for: first clause",
        claimed=4,
        series=0,
    )


async def _stage(
    console: Console,
    name: str,
    module: str,
    people: Callable[[str], People],
    source: str,
    *arguments: str,
    budget: float,
    most: int,
    arriving: float,
    seconds: float,
    first: int = 1,
) -> Replica:
    with others() as core:
        claimed = await _claimed(module, people, arguments, core)
        async with running(module, NO_LIMIT, *arguments, cores=core) as replica:
            speaking_to = people(replica.address)
            try:
                found = await climb(
                    console,
                    name,
                    replica,
                    speaking_to.person,
                    budget=budget,
                    first=first,
                    most=most,
                    arriving=arriving,
                    seconds=seconds,
                )
            finally:
                await speaking_to.close()
            series = await replica.series()
    return _replica(found, source, claimed, series)


async def _claimed(
    module: str,
    people: Callable[[str], People],
    arguments: tuple[str, ...],
    core: list[int],
) -> int:
    """Streams that a stage lets in by default."""
    async with running(module, *arguments, cores=core) as replica:
        asking = people(replica.address)
        try:
            return await asking.claimed()
        finally:
            await asking.close()


def _replica(found: Climb, source: str, claimed: int, series: int) -> Replica:
    at_limit = next(
        (each for each in found.steps if each.at_once == found.carried), found.steps[0]
    )
    return Replica(
        source=source,
        carried=found.carried,
        at_least=found.at_least,
        claimed=claimed,
        streams=found.streams,
        memory_mb=at_limit.memory_mb,
        series=series,
        steps=found.steps,
    )


@asynccontextmanager
async def _hosted() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.capacity.hosted",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
