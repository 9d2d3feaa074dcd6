"""From a route and a prompt to one reply: upstreams one after the other, or two at once; the first word wins.

Nothing of a reply has been passed on before somebody has won, so that until then every failure can be made good by
the next upstream. Afterwards the winner's failure is the reply's.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict

from google.protobuf.duration_pb2 import Duration
from opentelemetry import trace

from antiphon.v1 import llm_pb2
from services.llm import hedging, responses
from services.llm.attempt import Attempt
from services.llm.breaker import Permit
from services.llm.hedging import HedgeBudget, Hedged
from services.llm.patience import allot
from services.llm.policies import HedgeSettings
from services.llm.prompt import Prompt
from services.llm.routing import Route, Station, last_resort
from services.llm.upstreams import (
    Delta,
    Finish,
    Outcome,
    UpstreamFailure,
)
from services.llm.verdict import verdict
from services.runtime.errors import AntiphonError, DeadlineExceeded
from services.runtime.telemetry import metrics, names
from services.runtime.units import to_duration


class Race:
    """One request; it runs once."""

    def __init__(
        self,
        route: Route,
        prompt: Prompt,
        budget: float | None,
        settings: HedgeSettings,
        hedges: HedgeBudget,
        wanted: float | None = None,
    ) -> None:
        """Start the clock.

        Args:
            route: where it may go.
            prompt: with the route's parameters filled in.
            budget: seconds left until the RPC's deadline; None without one.
            settings: of hedging.
            hedges: left for all requests together.
            wanted: seconds in which the reply should begin, for the turn's budget; None where nobody said.

        Raises:
            InvalidArgument: nobody on the route takes such a prompt.
        """
        self._route = route
        self._prompt = prompt
        self._budget = budget
        self._settings = settings
        self._hedges = hedges
        self._wanted = wanted
        self._started = time.perf_counter()
        self._waiting = deque(route.able(prompt))
        self._resting: list[Station] = []
        self._running: dict[asyncio.Task[None], Attempt] = {}
        self._leaving: list[asyncio.Task[None]] = []
        self._log: list[llm_pb2.Attempt] = []
        self._reasons: dict[str, AntiphonError] = {}

    async def run(self) -> AsyncGenerator[llm_pb2.GenerateResponse, None]:
        """The reply, as what the caller is sent.

        Raises:
            AntiphonError: no upstream answered, the one that did broke off, or the budget ran out.
        """
        self._hedges.earn()
        winner: Attempt | None = None
        try:
            winner = await self._first_to_answer()
            self._let_go(won=True)
            first = to_duration(self._elapsed())
            async with aclosing(winner.deltas()) as deltas:
                while (delta := await self._next(deltas)) is not None:
                    if isinstance(delta, Finish):
                        yield self._end(winner, delta, first)
                    else:
                        yield responses.response(delta)
        except UpstreamFailure as failure:
            raise failure.error from None
        except TimeoutError:
            self._conclude(winner, Outcome.TIMEOUT)
            raise DeadlineExceeded(
                "the reply did not come to its end before the RPC's deadline"
            ) from None
        except Exception:
            # A fault of ours, told from a caller who left, which is no `Exception`.
            self._conclude(winner, Outcome.UPSTREAM_ERROR)
            raise
        finally:
            self._conclude(winner, self._cut_short())
            self._let_go(won=winner is not None)
            await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _first_to_answer(self) -> Attempt:
        """Ask upstream after upstream until one has begun.

        Raises:
            AntiphonError: none has.
        """
        self._start_next()
        hedge_after = self._hedge_after()
        while self._running:
            done, _ = await asyncio.wait(
                self._running,
                timeout=hedge_after,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [task for task in self._running if task in done]:
                if (attempt := self._ended(task)) is not None:
                    return attempt
            if not done:
                self._start_hedge()
                hedge_after = None
                continue
            if not self._running and self._left() != 0:
                self._start_next()
            hedge_after = self._hedge_after()
        raise verdict(list(self._reasons.items()), out_of_time=self._left() == 0)

    def _ended(self, task: asyncio.Task[None]) -> Attempt | None:
        """The attempt, if it has begun to answer.

        Raises:
            AntiphonError: it failed in a way that no other upstream makes good.
        """
        attempt = self._running[task]
        error = task.exception()
        if error is None:
            del self._running[task]
            if attempt.hedge:
                _count(attempt.station, Hedged.WON)
            return attempt
        if not isinstance(error, UpstreamFailure):
            raise error
        del self._running[task]
        self._note(attempt)
        if attempt.hedge:
            _count(attempt.station, Hedged.FAILED)
        if not error.elsewhere:
            raise error.error
        self._reasons[attempt.station.name] = error.error
        return None

    def _start_next(self) -> None:
        """Ask the next upstream that may be asked, or else one that rests, if there is any left."""
        while self._waiting:
            station = self._waiting.popleft()
            if permit := station.circuit.ask():
                self._start(station, permit)
                return
            self._skip(station)
        station_left = last_resort(self._resting)
        self._resting.clear()
        if station_left and (permit := station_left.circuit.ask(force=True)):
            self._start(station_left, permit)

    def _skip(self, station: Station) -> None:
        self._resting.append(station)
        self._reasons[station.name] = station.why_not()
        skipped = Outcome.SKIPPED.value
        self._log.append(llm_pb2.Attempt(upstream=station.name, outcome=skipped))
        metrics.UPSTREAM_ATTEMPTS.labels(station.name, skipped).inc()
        trace.get_current_span().add_event(
            names.SKIPPED_EVENT, {names.UPSTREAM: station.name}
        )

    def _start(self, station: Station, permit: Permit, hedge: bool = False) -> None:
        behind = sum(other.circuit.admits for other in self._waiting)
        patience = allot(
            station.upstream.settings, self._route.settings, self._left(), behind
        )
        attempt = Attempt(station, permit, self._prompt, patience, hedge)
        self._running[asyncio.create_task(attempt.begin())] = attempt

    def _hedge_after(self) -> float | None:
        """Seconds until the one upstream that runs is late; None where it may take its time, or is not alone."""
        if len(self._running) != 1:
            return None
        (attempt,) = self._running.values()
        delay = hedging.delay(
            self._route.settings.hedge,
            attempt.station.first_tokens,
            self._settings,
            attempt.permit.probe,
            self._latest(attempt),
        )
        return None if delay is None else max(delay - attempt.elapsed, 0.0)

    def _latest(self, attempt: Attempt) -> float | None:
        """Seconds of that try after which the next upstream, as fast as usual, would be too late for the budget."""
        station = self._alongside()
        if self._wanted is None or station is None:
            return None
        before = self._elapsed() - attempt.elapsed
        return self._wanted - before - (station.first_tokens.within(0.5) or 0.0)

    def _alongside(self) -> Station | None:
        """The next upstream that may be asked while others run."""
        running = [attempt.station for attempt in self._running.values()]
        for station in self._waiting:
            if station.circuit.admits and not any(
                _same_slots(station, other) for other in running
            ):
                return station
        return None

    def _start_hedge(self) -> None:
        station = self._alongside()
        if station is None:
            return
        (late,) = self._running.values()
        # Probes are rare by themselves, and whoever is chosen for one shall not wait because others were late today.
        if not late.permit.probe and not self._hedges.spend():
            _count(station, Hedged.REFUSED)
        elif permit := station.circuit.ask():
            self._waiting.remove(station)
            self._start(station, permit, hedge=True)

    def _let_go(self, won: bool) -> None:
        """Cancel everybody else, with their verdicts at once: whoever waits for their end may be cancelled meanwhile.

        Args:
            won: whether another has answered.
        """
        for task, attempt in self._running.items():
            task.cancel()
            self._leaving.append(task)
            if task.done():
                # It won by a hair too late, and would write on as long as the winner does.
                self._leaving.append(asyncio.create_task(attempt.close()))
            if won:
                attempt.overtaken()
            attempt.conclude(self._cut_short())
            self._note(attempt)
            if attempt.hedge:
                _count(attempt.station, Hedged.LOST)
        self._running.clear()

    async def _next(self, deltas: AsyncGenerator[Delta, None]) -> Delta | None:
        async with asyncio.timeout(self._left()):
            return await anext(deltas, None)

    def _end(
        self, winner: Attempt, finish: Finish, first: Duration
    ) -> llm_pb2.GenerateResponse:
        computed = to_duration(self._elapsed())
        settings = winner.station.upstream.settings
        response = responses.summary(settings, finish, first, computed)
        winner.conclude(Outcome.OK)
        response.summary.attempts.extend([*self._log, winner.to_proto()])
        for kind, count in asdict(finish.usage).items():
            metrics.TOKENS.labels(winner.station.name, kind).inc(count)
        return response

    def _note(self, attempt: Attempt) -> None:
        self._log.append(attempt.to_proto())

    def _conclude(self, winner: Attempt | None, outcome: Outcome) -> None:
        if winner is not None:
            winner.conclude(outcome)

    def _cut_short(self) -> Outcome:
        """How a try ends that nobody waits for any more."""
        return Outcome.TIMEOUT if self._left() == 0 else Outcome.CANCELLED

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started

    def _left(self) -> float | None:
        if self._budget is None:
            return None
        return max(self._budget - self._elapsed(), 0.0)


def _count(station: Station, outcome: Hedged) -> None:
    metrics.HEDGES.labels(station.name, outcome.value).inc()


def _same_slots(one: Station, other: Station) -> bool:
    """Whether they share a llama.cpp server: a second slot of it would only slow the first one down."""
    a, b = one.upstream.settings, other.upstream.settings
    if not (a.slots or b.slots) or a.base_url is None or b.base_url is None:
        return False
    return a.base_url.rstrip("/") == b.base_url.rstrip("/")
