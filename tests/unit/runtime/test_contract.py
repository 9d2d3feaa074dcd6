"""What an RPC brings along besides its messages."""

import pytest

from services.runtime.contract import budget_metadata, read_budget
from services.runtime.errors import InvalidArgument


def test_a_budget_arrives_as_it_was_sent() -> None:
    assert read_budget([("traceparent", "00-0"), budget_metadata(0.75)]) == 0.75
    assert read_budget([("traceparent", "00-0")]) is None


@pytest.mark.parametrize("said", ["", "soon", "-1", "nan", "inf", b"\xff"])
def test_a_budget_that_is_no_number_of_seconds_is_refused(said: str | bytes) -> None:
    with pytest.raises(InvalidArgument, match="antiphon-budget"):
        read_budget([("antiphon-budget", said)])
