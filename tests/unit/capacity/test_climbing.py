"""How the benchmark looks for the most that a replica carries."""

import io

import pytest
from rich.console import Console

from deploy.capacity.figures import Step
from tests.bench.capacity.load import Climb, ascend


async def climbing(limit: int, first: int, most: int, failed: float = 0.0) -> Climb:
    """On a replica that makes everybody wait for a second beyond so many."""

    async def once(count: int) -> tuple[Step, int]:
        waits = 100.0 if count <= limit else 1000.0
        return Step(count, count / 2, waits, waits, failed, 0.5, 0.0, 100.0), count

    console = Console(file=io.StringIO())
    return await ascend(console, "stage", once, budget=0.3, first=first, most=most)


@pytest.mark.parametrize(
    ("limit", "tried", "carried"),
    [
        (1, [1, 2], 1),
        (3, [1, 2, 3, 4], 3),
        (5, [1, 2, 4, 5, 6, 8], 5),
        (8, [1, 2, 4, 8, 10, 12, 16], 8),
        (13, [1, 2, 4, 8, 12, 14, 16], 12),
    ],
)
async def test_people_are_doubled_and_the_gap_is_halved_twice(
    limit: int, tried: list[int], carried: int
) -> None:
    climb = await climbing(limit, 1, 64)
    assert [step.at_once for step in climb.steps] == tried
    assert climb.carried == climb.streams == carried
    assert not climb.at_least


async def test_who_carries_all_that_is_tried_carries_at_least_that() -> None:
    climb = await climbing(1000, 25, 200)
    assert [step.at_once for step in climb.steps] == [25, 50, 100, 200]
    assert climb.carried == 200
    assert climb.at_least


async def test_who_carries_nobody_says_so() -> None:
    climb = await climbing(0, 1, 64)
    assert (climb.carried, climb.streams, climb.at_least) == (0, 0, False)


async def test_what_comes_in_time_and_fails_is_not_carried() -> None:
    assert (await climbing(8, 1, 64, failed=0.06)).carried == 0
    assert (await climbing(8, 1, 64, failed=0.05)).carried == 8


async def test_what_others_spoil_is_tried_again() -> None:
    """Their share of the core is what tells: a step that went well beside them went well."""
    tried: list[int] = []

    async def once(count: int) -> tuple[Step, int]:
        tried.append(count)
        spoiled = tried.count(count) == 1 and count == 2
        waits = 1000.0 if spoiled or count > 2 else 100.0
        others = 0.5 if spoiled or count == 1 else 0.05
        return Step(count, count, waits, waits, 0.0, 0.5, others, 100.0), count

    console = Console(file=io.StringIO())
    climb = await ascend(console, "stage", once, budget=0.3, first=1, most=4)
    assert tried == [1, 2, 2, 4, 3]
    assert climb.carried == 2
    assert "took 50% of its core" in console.file.getvalue()  # type: ignore[attr-defined]


async def test_who_is_never_left_alone_is_measured_all_the_same() -> None:
    tried: list[int] = []

    async def once(count: int) -> tuple[Step, int]:
        tried.append(count)
        return Step(count, count, 1000.0, 1000.0, 0.0, 0.5, 0.9, 100.0), count

    console = Console(file=io.StringIO())
    climb = await ascend(console, "stage", once, budget=0.3, first=1, most=4)
    assert tried == [1, 1, 1]
    assert climb.carried == 0
    assert climb.steps[0].others == 0.9
