"""How long a try may take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.patience import Patience, allot
from services.llm.settings import RouteSettings, UpstreamSettings

UPSTREAM = UpstreamSettings(
    name="x",
    base_url="http://127.0.0.1:1/v1",
    first_token_timeout=10,
    between_tokens_timeout=5,
)
ROUTE = RouteSettings(upstreams=("x",))


@pytest.mark.parametrize(
    ("left", "behind", "patience"),
    [
        (None, 2, Patience(10, 5, None)),
        (30.0, 1, Patience(10, 5, 15)),
        (8.0, 2, Patience(4, 5, 4)),
        (8.0, 0, Patience(8, 5, 8)),
        (2.0, 0, Patience(2, 2, 2)),
        (0.0, 0, Patience(0, 0, 0)),
    ],
)
def test_the_settings_are_the_limit_and_half_of_what_is_left_with_others_behind(
    left: float | None, behind: int, patience: Patience
) -> None:
    assert allot(UPSTREAM, ROUTE, left, behind) == patience


def test_a_route_may_be_less_patient_and_not_more() -> None:
    for limit, seconds in ((3.0, 3.0), (60.0, 10.0)):
        route = RouteSettings(upstreams=("x",), first_token_timeout=limit)
        assert allot(UPSTREAM, route, None, 0).first_token == seconds


@given(st.floats(0, 100), st.integers(1, 5))
def test_whoever_is_behind_always_has_time_left(left: float, upstreams: int) -> None:
    """Even if all before use up all that they get."""
    start = left
    for behind in reversed(range(upstreams)):
        given_time = allot(UPSTREAM, ROUTE, left, behind).answer
        assert given_time is not None
        assert given_time >= start / 2**upstreams
        left -= given_time
    assert left == pytest.approx(0)
