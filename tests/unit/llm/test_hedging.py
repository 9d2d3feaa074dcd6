"""What is late, and how often that may cost a second request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.hedging import FirstTokens, HedgeBudget, delay
from services.llm.policies import HedgeSettings

SETTINGS = HedgeSettings(samples=20, window=100, floor=0.1, ceiling=2.0)


def seen(*seconds: float, settings: HedgeSettings = SETTINGS) -> FirstTokens:
    first_tokens = FirstTokens(settings)
    for second in seconds:
        first_tokens.add(second)
    return first_tokens


def test_nothing_is_late_before_enough_has_been_seen() -> None:
    assert seen(*[0.3] * 19).late() is None
    assert seen(*[0.3] * 20).late() == 0.3


def test_late_is_what_one_in_twenty_exceeds() -> None:
    times = [0.2 + i / 100 for i in range(100)]
    assert seen(*times).late() == pytest.approx(0.2 + 0.94)


def test_old_times_are_forgotten() -> None:
    assert seen(*[1.9] * 100, *[0.3] * 100).late() == 0.3


@given(st.lists(st.floats(0, 100), min_size=20))
def test_late_stays_between_floor_and_ceiling(times: list[float]) -> None:
    late = seen(*times).late()
    assert late is not None
    assert 0.1 <= late <= 2.0


def test_times_waited_for_in_vain_keep_the_measure_from_shrinking() -> None:
    """As when each late reply is overtaken: its own time is never seen, only how long it was waited for."""
    first_tokens = seen(*[0.2 + i / 100 for i in range(100)])
    before = first_tokens.late()
    assert before is not None
    for _ in range(5):
        for i in range(100):
            would_take = 0.2 + i / 100
            first_tokens.add(min(would_take, first_tokens.late() or 0))
    assert first_tokens.late() == pytest.approx(before, abs=0.02)


@pytest.mark.parametrize(
    ("hedge", "samples", "probe", "seconds"),
    [
        (True, 20, False, 0.3),
        (True, 0, False, None),
        (True, 0, True, 2.0),
        (True, 20, True, 0.3),
        (False, 20, True, None),
        (0.05, 0, False, 0.05),
    ],
)
def test_a_route_says_whether_and_a_probe_is_not_waited_for_long(
    hedge: bool | float, samples: int, probe: bool, seconds: float | None
) -> None:
    assert delay(hedge, seen(*[0.3] * samples), SETTINGS, probe) == seconds


@pytest.mark.parametrize(
    ("samples", "latest", "seconds"),
    [
        (100, 1.12, 1.12),
        (100, 5.0, 1.14),
        (100, 0.5, 1.09),
        (0, 0.5, 0.5),
        (0, -0.3, 0.1),
    ],
)
def test_a_budget_brings_hedges_forward_but_not_to_more_than_may_be_hedged(
    samples: int, latest: float, seconds: float
) -> None:
    first_tokens = seen(*[0.2 + i / 100 for i in range(samples)])
    after = delay(True, first_tokens, SETTINGS, False, latest)
    assert after == pytest.approx(seconds)


def test_a_probe_is_waited_for_as_long_as_the_budget_lasts_at_most() -> None:
    assert delay(True, seen(), SETTINGS, True, 0.5) == 0.5
    assert delay(True, seen(), SETTINGS, True, 9.0) == SETTINGS.ceiling


def test_no_budget_changes_what_a_route_says_for_itself() -> None:
    assert delay(False, seen(), SETTINGS, False, 0.5) is None
    assert delay(0.7, seen(), SETTINGS, False, 0.5) == 0.7


def test_hedges_are_a_share_of_the_requests_and_saved_up_only_so_far() -> None:
    budget = HedgeBudget(HedgeSettings(share=0.1, burst=3))
    assert budget.spend(), "one is there to begin with"
    spent = 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend()
    assert spent == 100
    for _ in range(1000):
        budget.earn()
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_a_share_of_none_hedges_nothing() -> None:
    assert not HedgeBudget(HedgeSettings(share=0)).spend()
