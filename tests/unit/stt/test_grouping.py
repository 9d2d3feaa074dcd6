"""Batches of like length."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stt.engines.grouping import group

LENGTHS = st.lists(st.floats(0.1, 20.0), max_size=9)


def cost(seconds: list[float], batches: list[list[int]], fixed: float) -> float:
    return sum(fixed + len(b) * max(seconds[i] for i in b) for b in batches)


def test_short_ones_are_not_padded_to_long_ones_where_padding_costs() -> None:
    assert group([20.0, 2.0, 19.0, 2.5], 2.5, 100.0, 8) == [[1, 3], [2, 0]]


def test_all_go_together_where_calls_cost_more() -> None:
    assert group([20.0, 2.0, 19.0], 100.0, 640.0, 8) == [[1, 2, 0]]


def test_a_batch_holds_no_more_than_it_may() -> None:
    assert sorted(map(len, group([5.0] * 10, 100.0, 20.0, 8))) == [2, 4, 4]
    assert sorted(map(len, group([1.0] * 10, 100.0, 100.0, 3))) == [1, 3, 3, 3]
    assert group([30.0], 1.0, 20.0, 4) == [[0]]
    assert group([], 1.0, 20.0, 4) == []


@given(LENGTHS, st.floats(0.0, 50.0), st.integers(1, 9))
def test_no_other_division_of_the_sorted_ones_is_cheaper(
    seconds: list[float], fixed: float, largest: int
) -> None:
    batches = group(seconds, fixed, 60.0, largest)
    assert sorted(i for b in batches for i in b) == list(range(len(seconds)))
    order = sorted(range(len(seconds)), key=seconds.__getitem__)
    for count in range(len(order)):
        for cuts in combinations(range(1, len(order)), count):
            edges = [0, *cuts, len(order)]
            other = [order[a:b] for a, b in pairwise(edges) if a < b]
            allowed = all(
                len(b) <= largest
                and (len(b) == 1 or len(b) * max(seconds[i] for i in b) <= 60.0)
                for b in other
            )
            if allowed:
                best = cost(seconds, batches, fixed)
                assert best <= cost(seconds, other, fixed) + 1e-6


def test_ties_are_no_trouble() -> None:
    assert cost([3.0] * 4, group([3.0] * 4, 0.0, 60.0, 4), 0.0) == pytest.approx(12.0)
