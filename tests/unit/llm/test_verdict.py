"""One error for all upstreams that gave no answer."""

import pytest

from services.llm.verdict import verdict
from services.runtime.errors import (
    AntiphonError,
    DeadlineExceeded,
    FailedPrecondition,
    Full,
    InvalidArgument,
    Unavailable,
)

GONE, KEY, LATE = Unavailable("gone"), FailedPrecondition("key"), DeadlineExceeded("late")  # fmt: skip
SLOW, SLOWER = Full("slow", 3), Full("slower", 9)


def together(*errors: AntiphonError, out_of_time: bool = False) -> AntiphonError:
    return verdict([(f"u{i}", error) for i, error in enumerate(errors)], out_of_time)


def test_one_failure_speaks_for_itself() -> None:
    assert together(KEY) is KEY


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([SLOWER, SLOW], Full),
        ([KEY, KEY], FailedPrecondition),
        ([LATE, LATE], DeadlineExceeded),
        ([GONE, GONE], Unavailable),
        ([InvalidArgument("sampling.seed", "no")] * 2, InvalidArgument),
        ([KEY, GONE], Unavailable),
        ([SLOW, GONE], Unavailable),
        ([LATE, SLOW], Unavailable),
        ([InvalidArgument("sampling.seed", "no"), KEY], Unavailable),
    ],
)
def test_failures_of_one_kind_are_that_kind_and_others_may_be_better_elsewhere(
    errors: list[AntiphonError], kind: type[AntiphonError]
) -> None:
    assert type(together(*errors)) is kind


@pytest.mark.parametrize("others", [[True, True], [True, False]])
def test_another_replica_does_no_better_if_every_upstream_would_tell_it_the_same(
    others: list[bool],
) -> None:
    errors = [Unavailable("boom"), Full("slow")]
    for error, everywhere in zip(errors, others, strict=True):
        error.everywhere = everywhere
    assert together(*errors).everywhere is all(others)


def test_the_shortest_wait_is_told() -> None:
    error = together(SLOWER, SLOW)
    assert isinstance(error, Full)
    assert error.retry_after == 3


def test_a_deadline_that_ran_out_is_the_reason_whatever_failed_before() -> None:
    for errors in ([KEY], [GONE, LATE]):
        assert type(together(*errors, out_of_time=True)) is DeadlineExceeded


def test_every_reason_is_there_however_long_they_are() -> None:
    reasons = [Unavailable(f"reason {i} " + "x" * 400) for i in range(5)]
    message = together(*reasons).message
    assert all(f"u{i}: reason {i}" in message for i in range(5))
