"""How late the event loop is: whoever waits for it waits that much longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.telemetry import metrics

PERIOD = 0.5
"""Seconds between two looks."""


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Measure the running loop's lag inside."""
    watching = asyncio.create_task(_watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PERIOD
        await asyncio.sleep(PERIOD)
        # A timer may fire early by what the clock cannot resolve.
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))
