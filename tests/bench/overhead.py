"""What telemetry costs: the gateway on one core with it and without, side by side.

With it: every turn is traced and sent by OTLP to a receiver, and metrics are scraped with their exemplars. Without: no
endpoint is named, and nobody scrapes; metrics are counted all the same.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from rich.console import Console

from tests.bench import share
from tests.bench.figures import table
from tests.bench.fronts import Front

SCRAPED_EVERY = 5.0
"""Seconds; Prometheus' own default is 15 and more."""

SPENT = "CPU s / conversation min"


async def measure(
    console: Console, conversations: int, rounds: int, repeats: int
) -> dict[str, Any]:
    """Print and return what a conversation costs either way, measured by turns so that a busy machine is fair to both."""
    rows = []
    for repeat in range(repeats):
        for traced in (False, True) if repeat % 2 else (True, False):
            async with (
                share.processes(traced=traced) as running,
                _scraping(running.metrics if traced else None),
            ):
                row = await share.carry(running, Front.GRPC, conversations, rounds)
            rows.append({"telemetry": "on" if traced else "off", **row})
            console.print(rows[-1], highlight=False)
    spent = {
        which: sum(row[SPENT] for row in rows if row["telemetry"] == which) / repeats
        for which in ("off", "on")
    }
    cost = round(100 * (spent["on"] / spent["off"] - 1), 1)
    console.print(table(f"Telemetry, {conversations} conversations on one core", rows))
    console.print(
        f"{SPENT}: {spent['off']:.3f} without, {spent['on']:.3f} with: {cost:+} %"
    )
    return {"rounds": rounds, "rows": rows, "spent": spent, "cost_percent": cost}


@asynccontextmanager
async def _scraping(url: str | None) -> AsyncIterator[None]:
    if url is None:
        yield
        return
    task = asyncio.create_task(_scrape(url))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _scrape(url: str) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession(headers=accept) as session:
        while True:
            async with session.get(url) as response:
                await response.read()
            await asyncio.sleep(SCRAPED_EVERY)
