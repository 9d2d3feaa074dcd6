"""What a try that was overtaken leaves behind."""

from collections.abc import AsyncGenerator

import pytest
from structlog.testing import capture_logs

from services.llm.attempt import Attempt
from services.llm.patience import Patience
from services.llm.policies import CircuitSettings, HedgeSettings
from services.llm.prompt import Prompt
from services.llm.routing import Station
from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Delta, Outcome, Text, failures

PROMPT = Prompt("", [{"role": "user", "content": "Hello?"}])


class Talkative:
    """An upstream that says one word."""

    settings = UpstreamSettings(name="talkative", base_url="http://127.0.0.1:1/v1")

    async def generate(
        self, prompt: Prompt, patience: Patience
    ) -> AsyncGenerator[Delta, None]:
        yield Text("Hi")

    async def prepare(self, prompt: Prompt) -> int | None:
        return None

    async def warm(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.fixture
def station() -> Station:
    return Station(Talkative(), CircuitSettings(), HedgeSettings(samples=1, floor=0))


@pytest.fixture
def attempt(station: Station) -> Attempt:
    permit = station.circuit.ask()
    assert permit is not None
    return Attempt(station, permit, PROMPT, Patience(1, 1))


def test_the_time_it_was_waited_for_counts_as_its_first_token(
    station: Station, attempt: Attempt
) -> None:
    attempt.overtaken()
    assert attempt.outcome is Outcome.CANCELLED
    assert station.first_tokens.late() == attempt.elapsed


async def test_its_own_first_token_counts_where_it_came(
    station: Station, attempt: Attempt
) -> None:
    await attempt.begin()
    attempt.overtaken()
    await attempt.close()
    assert station.first_tokens.late() == attempt.first


def test_only_the_first_end_counts(attempt: Attempt) -> None:
    attempt.conclude(Outcome.OK)
    attempt.overtaken()
    attempt.conclude(Outcome.UPSTREAM_ERROR)
    assert attempt.outcome is Outcome.OK


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 422, 429, 500, 503])
def test_what_an_upstream_said_is_the_callers_alone(
    station: Station, attempt: Attempt, status: int
) -> None:
    body = '{"error": {"message": "cannot parse: my quokka has died"}}'
    failure = failures.from_status(Talkative.settings, status, {}, body)
    assert "quokka" in failure.error.message
    with capture_logs() as lines:
        attempt.fail(failure)
    told = [line for line in lines if "quokka" in str(line)]
    assert [(line["log_level"], line["said"]) for line in told] == [
        ("debug", failure.error.message)
    ]
    assert failure.outcome.value in str(lines)
    assert "quokka" not in station.why_not().message
