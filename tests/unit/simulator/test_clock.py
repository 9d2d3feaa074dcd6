"""The simulator's fast clock: waiting is sped up, working is not."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.simulator.clock import FastLoop

Result = TypeVar("Result")


def run(speed: float, coroutine: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=lambda: FastLoop(speed)) as runner:
        return runner.run(coroutine)


async def sleep_a_minute() -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    began, wall = loop.time(), time.monotonic()
    await asyncio.sleep(60)
    return loop.time() - began, time.monotonic() - wall


def test_waiting_takes_a_fraction_of_its_time_and_no_longer_than_asked_for() -> None:
    virtual, wall = run(1000, sleep_a_minute())
    assert 60 <= virtual < 61
    assert wall < virtual / 2


async def wait_for_a_thread() -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    go_on = threading.Event()
    began, wall = loop.time(), time.monotonic()
    job = loop.run_in_executor(None, go_on.wait)
    # A timer of the loop's own lets the thread go on: at the wall's pace, since the thread works for the loop.
    loop.call_later(0.1, go_on.set)
    await job
    return loop.time() - began, time.monotonic() - wall


def test_while_a_thread_works_for_it_the_clock_goes_as_the_walls() -> None:
    virtual, wall = run(1000, wait_for_a_thread())
    assert virtual - wall < 1
    assert wall > 0.09


async def order_of_timers() -> list[int]:
    loop = asyncio.get_running_loop()
    fired: list[int] = []
    for number in (3, 1, 2):
        loop.call_later(number * 10, fired.append, number)
    await asyncio.sleep(31)
    return fired


def test_timers_fire_in_their_order() -> None:
    assert run(1000, order_of_timers()) == [1, 2, 3]
