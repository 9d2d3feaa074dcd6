"""When to restart what died."""

from hypothesis import given
from hypothesis import strategies as st

from antiphon.supervisor import RestartPolicy, Restarts

POLICY = RestartPolicy(first=0.5, longest=10.0, forgiven_after=30.0, tries=3)


def test_waits_double_up_to_the_longest() -> None:
    restarts = Restarts(POLICY)
    waits = [restarts.died(healthy_for=1.0) for _ in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_long_health_is_forgiven_and_starts_over() -> None:
    restarts = Restarts(POLICY)
    for _ in range(4):
        restarts.died(healthy_for=1.0)
    assert restarts.died(healthy_for=30.0) == 0.5
    assert restarts.died(healthy_for=29.9) == 1.0


def test_three_deaths_before_any_health_are_hopeless() -> None:
    restarts = Restarts(POLICY)
    assert [restarts.died(None) for _ in range(3)] == [0.5, 1.0, None]


def test_what_was_healthy_once_is_never_given_up() -> None:
    restarts = Restarts(POLICY)
    restarts.died(None)
    restarts.died(healthy_for=0.1)
    assert all(restarts.died(None) is not None for _ in range(2000))


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=50))
def test_waits_stay_within_the_policy(lives: list[float | None]) -> None:
    restarts = Restarts(POLICY)
    for healthy_for in lives:
        wait = restarts.died(healthy_for)
        if wait is None:
            break
        assert POLICY.first <= wait <= POLICY.longest
