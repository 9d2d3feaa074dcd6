"""What an upstream's refusals mean, and when one that allows no more requests is worth another try."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Outcome, failures
from services.runtime.errors import Full

UPSTREAM = UpstreamSettings(name="x", base_url="http://127.0.0.1:1/v1")


def retry_after(**headers: str) -> float:
    failure = failures.from_status(UPSTREAM, 429, headers, "")
    assert isinstance(failure.error, Full)
    return failure.error.retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("-1", 0),
        ("99999", 300),
        ("nan", 1),
        ("soon", 1),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", 1),
        ("Wed, 21 Oct 99999 07:28:00 GMT", 1),
    ],
)
def test_retry_after_is_a_number_of_seconds_within_reason(
    header: str, seconds: float
) -> None:
    assert retry_after(**{"retry-after": header}) == seconds


def test_retry_after_may_be_a_date() -> None:
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    future = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert retry_after(**{"retry-after": past}) == 0
    assert retry_after(**{"retry-after": future}) == 300


def test_without_retry_after_it_is_a_second() -> None:
    assert retry_after() == 1


@pytest.mark.parametrize(
    ("status", "outcome", "elsewhere"),
    [
        (400, Outcome.BAD_REQUEST, False),
        (405, Outcome.NOT_FOUND, True),
        (407, Outcome.UPSTREAM_ERROR, True),
        (409, Outcome.UPSTREAM_ERROR, True),
        (410, Outcome.NOT_FOUND, True),
        (413, Outcome.BAD_REQUEST, False),
        (422, Outcome.BAD_REQUEST, False),
        (424, Outcome.UPSTREAM_ERROR, True),
    ],
)
def test_only_what_says_so_is_the_callers_fault(
    status: int, outcome: Outcome, elsewhere: bool
) -> None:
    failure = failures.from_status(UPSTREAM, status, {}, "no")
    assert (failure.outcome, failure.elsewhere) == (outcome, elsewhere)
