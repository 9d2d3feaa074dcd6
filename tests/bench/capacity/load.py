"""So many people at once, each busy without a pause, until more are too many."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from rich.console import Console

from deploy.capacity.figures import QUIET, Step
from tests.bench.capacity.replica import Running
from tests.bench.figures import percentiles

FAILED = 0.05
"""Share of the calls that may fail or come too late: the twentieth beyond the 95th percentile."""

_AGAIN = 2
"""Times that a step is done again for that, before it counts all the same."""

_HALVINGS = 2
"""Further steps between the last number that was carried and the first that was not."""


@dataclass
class Load:
    """What everybody sees in the time that counts.

    Attributes:
        begins: on the loop's clock; before it people only arrive.
        ends: nobody begins anything new after it.
        waits: seconds.
        calls: that ended.
        failed: of them, or were too late to be heard in time.
        open: streams open now.
        most: streams that were open at once.
    """

    begins: float
    ends: float
    waits: list[float] = field(default_factory=list)
    calls: int = 0
    failed: int = 0
    open: int = 0
    most: int = 0
    _area: float = 0.0
    _changed: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it is time to go."""
        return _now() >= self.ends

    @property
    def streams(self) -> float:
        """Open at once, on average."""
        self._count()
        return self._area / (self.ends - self.begins)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """One RPC; where it fails, it is counted, and its caller goes on."""
        self._count()
        self.open += 1
        if self.begins <= _now() < self.ends:
            self.most = max(self.most, self.open)
        try:
            yield
            self._end(failed=False)
        except grpc.aio.AioRpcError:
            self._end(failed=True)
        finally:
            self._count()
            self.open -= 1

    def waited(self, seconds: float) -> None:
        """Somebody got what they waited for, just now."""
        if self.begins <= _now() < self.ends:
            self.waits.append(seconds)

    def late(self) -> None:
        """A call that did not fail was no use either."""
        if self.begins <= _now() < self.ends:
            self.failed += 1

    def _end(self, failed: bool) -> None:
        if self.begins <= _now() < self.ends:
            self.calls += 1
            self.failed += failed

    def _count(self) -> None:
        now = min(max(_now(), self.begins), self.ends)
        self._area += self.open * (now - max(self._changed, self.begins))
        self._changed = now


Person = Callable[[int, Load], Awaitable[None]]
"""Told which one they are, from 0; busy until the load is `over`."""


@dataclass(frozen=True)
class Climb:
    """What came of adding more and more.

    Attributes:
        steps: in rising order.
        carried: the most that were; 0: not one.
        at_least: whether all were.
        streams: open at once at most when it carried them.
    """

    steps: tuple[Step, ...]
    carried: int
    at_least: bool
    streams: int


async def climb(
    console: Console,
    name: str,
    running: Running,
    person: Person,
    *,
    budget: float,
    first: int,
    most: int,
    arriving: float,
    seconds: float,
) -> Climb:
    """Double the people until they wait too long, then look between the last two numbers.

    Args:
        console: told of each step.
        name: of the replica.
        running: the replica.
        person: one of them.
        budget: seconds that the 95th percentile may wait.
        first: people at the first step.
        most: people at the last one.
        arriving: seconds over which they begin, so that they are as strangers.
        seconds: that count, after that.
    """

    async def once(count: int) -> tuple[Step, int]:
        return await carry(running, person, count, arriving, seconds)

    return await ascend(console, name, once, budget=budget, first=first, most=most)


async def ascend(
    console: Console,
    name: str,
    once: Callable[[int], Awaitable[tuple[Step, int]]],
    *,
    budget: float,
    first: int,
    most: int,
) -> Climb:
    """As `climb`, whatever a step is; ``once`` returns it and the most streams that were open."""
    done: dict[int, tuple[Step, int]] = {}

    async def kept(count: int) -> bool:
        for _ in range(1 + _AGAIN):
            done[count] = step, streams = await once(count)
            console.print(f"{name}: {step}, {streams} streams at most", highlight=False)
            if step.p95_ms <= budget * 1000 and step.failed <= FAILED:
                return True
            if step.others <= QUIET:
                return False
            console.print(
                f"{name}: that was others, who took {step.others:.0%} of its core"
            )
        return False

    carried, count = 0, first
    while count <= most and await kept(count):
        carried, count = count, count * 2
    at_least = carried * 2 > most
    for _ in range(0 if at_least else _HALVINGS):
        middle = (carried + count) // 2
        if middle in (carried, 0):
            break
        if await kept(middle):
            carried = middle
        else:
            count = middle
    return Climb(
        tuple(done[each][0] for each in sorted(done)),
        carried,
        at_least,
        done[carried][1] if carried else 0,
    )


async def carry(
    running: Running, person: Person, count: int, arriving: float, seconds: float
) -> tuple[Step, int]:
    """So many people at once; what it was like, and the most streams that were open."""
    begins = _now() + arriving
    load = Load(begins, begins + seconds)
    spent = others = 0.0

    async def arrive(index: int) -> None:
        await asyncio.sleep(index / count * arriving)
        await person(index, load)

    async def look() -> None:
        nonlocal spent, others
        await asyncio.sleep(load.begins - _now())
        spent, others = await running.shares(load.ends - _now())

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        for index in range(count):
            group.create_task(arrive(index))
    return step(count, load, spent, others, running), load.most


def step(count: int, load: Load, cores: float, others: float, running: Running) -> Step:
    """What a load was like. Nobody who got anything: they waited for all of it."""
    waits: list[float] = load.waits or [load.ends - load.begins]
    figures: dict[str, Any] = percentiles(waits)
    return Step(
        at_once=count,
        streams=round(load.streams, 2),
        p50_ms=figures["p50"],
        p95_ms=figures["p95"],
        # A call that is found to be late just before the end may end behind it.
        failed=round(min(1.0, load.failed / max(1, load.calls)), 3),
        cores=round(cores, 2),
        others=round(others, 2),
        memory_mb=running.memory_mb(),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
