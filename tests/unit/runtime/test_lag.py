"""The loop's lag is measured while there is somebody to measure it."""

import asyncio

from services.runtime.telemetry import lag, metrics


def measured() -> tuple[float, float]:
    """How often, and seconds in all."""
    (family,) = metrics.LOOP_LAG.collect()
    found = {sample.name.rpartition("_")[2]: sample.value for sample in family.samples}
    return found["count"], found["sum"]


async def test_a_loop_that_is_held_up_is_seen_to_be_late() -> None:
    count, seconds = measured()
    async with lag.watched():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        until = loop.time() + lag.PERIOD + 0.2
        while loop.time() < until:
            pass
        while measured()[0] == count:  # noqa: ASYNC110  # as soon as the loop gets to it
            await asyncio.sleep(0)
    assert measured()[1] - seconds >= 0.2 - 0.01
    assert not [task for task in asyncio.all_tasks() if "_watch" in repr(task)]
