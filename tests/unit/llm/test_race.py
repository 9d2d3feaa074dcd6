"""Who is asked when, and what becomes of those who lost, with upstreams that keep time together."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from antiphon.v1 import llm_pb2
from services.llm.breaker import State
from services.llm.hedging import HedgeBudget
from services.llm.patience import Patience
from services.llm.policies import CircuitSettings, HedgeSettings
from services.llm.prompt import Prompt
from services.llm.race import Race
from services.llm.routing import Route, Station
from services.llm.settings import RouteSettings, UpstreamSettings
from services.llm.upstreams import (
    Delta,
    Finish,
    Outcome,
    Text,
    UpstreamFailure,
    Usage,
)
from services.runtime.errors import DeadlineExceeded, Full, Unavailable

PROMPT = Prompt("", [{"role": "user", "content": "Hello?"}])
HEDGING = HedgeSettings(share=1.0)
BOOM = UpstreamFailure(Outcome.UPSTREAM_ERROR, Unavailable("boom"))
LIMITED = UpstreamFailure(Outcome.RATE_LIMITED, Full("slow", 7.0))


class Scripted:
    """Says a word, or fails, when it is let, and ends, or fails, when it is let again."""

    def __init__(self, name: str, *failures: UpstreamFailure) -> None:
        self.settings = UpstreamSettings(name=name, base_url="http://127.0.0.1:1/v1")
        self.failures = list(failures)
        self.breaks: UpstreamFailure | None = None
        self.silent = False
        self.when_asked: Callable[[], None] = lambda: None
        self.speak, self.end, self.leave = (asyncio.Event() for _ in range(3))
        self.asked, self.left, self.gone = (asyncio.Event() for _ in range(3))
        self.leave.set()

    async def generate(
        self, prompt: Prompt, patience: Patience
    ) -> AsyncGenerator[Delta, None]:
        self.asked.set()
        self.when_asked()
        if self.failures:
            raise self.failures.pop(0)
        try:
            await self.speak.wait()
            if self.silent:
                raise BOOM
            yield Text(self.settings.name)
            await self.end.wait()
            if self.breaks:
                raise self.breaks
            yield Finish(llm_pb2.FINISH_REASON_STOP, Usage())
        finally:
            self.left.set()
            await self.leave.wait()
            self.gone.set()

    async def prepare(self, prompt: Prompt) -> int | None:
        return None

    async def warm(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Upstreams:
    """Some of them behind one route, hedged at once; circuits open at the first failure, on a clock of the test's own."""

    def __init__(self, *upstreams: Scripted, hedge: bool | float = 0.001) -> None:
        self._now = 0.0
        circuit = CircuitSettings(failures=1, rest=1.0, fair_wait=0)
        self.stations = {
            u.settings.name: Station(u, circuit, HEDGING, lambda: self._now)
            for u in upstreams
        }
        settings = RouteSettings(upstreams=tuple(self.stations), hedge=hedge)
        self._route = Route("default", settings, self.stations)

    def pass_time(self, seconds: float) -> None:
        self._now += seconds

    def race(self, budget: float | None = None, wanted: float | None = None) -> Race:
        hedges = HedgeBudget(HEDGING)
        return Race(self._route, PROMPT, budget, HEDGING, hedges, wanted)

    @asynccontextmanager
    async def winning(
        self,
    ) -> AsyncIterator[AsyncGenerator[llm_pb2.GenerateResponse, None]]:
        """A reply whose first word has come."""
        async with asyncio.timeout(10), aclosing(self.race().run()) as responses:
            assert (await anext(responses)).text
            yield responses


def tried(response: llm_pb2.GenerateResponse) -> list[tuple[str, str]]:
    return [(a.upstream, a.outcome) for a in response.summary.attempts]


async def test_one_that_answers_a_hair_too_late_is_let_go_while_the_winner_still_writes() -> (
    None
):
    both = first, second = Scripted("first"), Scripted("second")
    second.speak = first.speak

    async def speak() -> None:
        await first.asked.wait()
        await second.asked.wait()
        first.speak.set()

    speaking = asyncio.create_task(speak())
    async with Upstreams(*both).winning() as responses:
        await second.gone.wait()
        assert not first.left.is_set()
        first.end.set()
        summary = await anext(responses)
    await speaking
    assert tried(summary) == [("second", "cancelled"), ("first", "ok")]


async def test_a_reply_does_not_wait_for_a_loser_who_takes_his_time_to_leave() -> None:
    first, second = Scripted("first"), Scripted("second")
    first.leave.clear()
    second.speak.set()
    second.end.set()
    async with Upstreams(first, second).winning() as responses:
        summary = await anext(responses)
        assert not first.gone.is_set()
        first.leave.set()
    assert first.gone.is_set()
    assert tried(summary) == [("first", "cancelled"), ("second", "ok")]


async def test_a_caller_who_leaves_twice_leaves_no_upstream_on_probation() -> None:
    first, second = Scripted("first", BOOM), Scripted("second")
    second.speak.set()
    second.breaks = BOOM
    upstreams = Upstreams(first, second)
    async with upstreams.winning():
        pass  # the first one fails, and the next request finds out if it is back
    upstreams.pass_time(1.0)
    first.leave.clear()
    probed = upstreams.stations["first"].circuit

    async def ask() -> None:
        async with upstreams.winning() as responses:
            second.end.set()
            await anext(responses)

    asking = asyncio.create_task(ask())
    await first.left.wait()
    for _ in range(5):
        asking.cancel()
        await asyncio.sleep(0)
    first.leave.set()
    with pytest.raises((asyncio.CancelledError, Unavailable)):
        await asking
    assert probed.state is not State.HALF_OPEN


async def test_where_a_hedge_fails_the_next_one_is_asked_alongside() -> None:
    first, third = Scripted("first"), Scripted("third")
    third.speak.set()
    third.end.set()
    upstreams = Upstreams(first, Scripted("second", BOOM), third)
    async with upstreams.winning() as responses:
        summary = await anext(responses)
    assert tried(summary) == [
        ("second", "upstream_error"),
        ("first", "cancelled"),
        ("third", "ok"),
    ]


async def test_where_a_late_one_fails_its_hedge_may_be_hedged_too() -> None:
    first, second, third = (Scripted(name) for name in ("first", "second", "third"))
    first.silent = True
    second.when_asked = first.speak.set
    third.speak.set()
    third.end.set()
    async with Upstreams(first, second, third).winning() as responses:
        summary = await anext(responses)
    assert tried(summary) == [
        ("first", "upstream_error"),
        ("second", "cancelled"),
        ("third", "ok"),
    ]


async def test_one_whose_rate_limit_is_over_meanwhile_is_asked_after_all() -> None:
    first, second = Scripted("first", LIMITED), Scripted("second", BOOM)
    first.speak.set()
    first.end.set()
    upstreams = Upstreams(first, second)
    circuit = upstreams.stations["first"].circuit
    permit = circuit.ask()
    assert permit is not None
    circuit.failed(permit, first.failures.pop())
    second.when_asked = lambda: upstreams.pass_time(7.0)
    async with upstreams.winning() as responses:
        summary = await anext(responses)
    assert tried(summary) == [
        ("first", "skipped"),
        ("second", "upstream_error"),
        ("first", "ok"),
    ]


async def test_who_has_no_time_left_asks_nobody_else() -> None:
    first, second = Scripted("first"), Scripted("second")
    with pytest.raises(DeadlineExceeded):
        async for _ in Upstreams(first, second).race(budget=0.0).run():
            pass
    assert not second.asked.is_set()


async def test_where_a_budget_runs_out_the_next_one_is_asked_though_nobody_knows_what_is_late() -> (
    None
):
    first, second = Scripted("first"), Scripted("second")
    second.speak.set()
    second.end.set()
    upstreams = Upstreams(first, second, hedge=True)
    async with (
        asyncio.timeout(10),
        aclosing(upstreams.race(wanted=0.2).run()) as responses,
    ):
        *_, summary = [response async for response in responses]
    assert tried(summary) == [("first", "cancelled"), ("second", "ok")]
