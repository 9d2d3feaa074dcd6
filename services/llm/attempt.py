"""One try at one upstream: its clock, its outcome, its span and metrics, its verdict on the upstream."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from antiphon.v1 import llm_pb2
from services.llm.breaker import Permit
from services.llm.patience import Patience
from services.llm.prompt import Prompt
from services.llm.routing import Station
from services.llm.spans import UpstreamSpan, Work
from services.llm.upstreams import (
    Delta,
    Finish,
    Outcome,
    Text,
    UpstreamFailure,
    failures,
)
from services.runtime.logs import get_logger
from services.runtime.telemetry import metrics
from services.runtime.units import to_duration

log = get_logger(__name__)


class Attempt:
    """From the request to the last delta, or to whatever ended it.

    Attributes:
        station: the upstream that is tried.
        permit: to ask it.
        hedge: whether it runs alongside another that is late.
        first: seconds to the first text or tool call; None before.
        outcome: how it ended; None before.
    """

    def __init__(
        self,
        station: Station,
        permit: Permit,
        prompt: Prompt,
        patience: Patience,
        hedge: bool = False,
    ) -> None:
        """Start the clock."""
        self.station = station
        self.permit = permit
        self.hedge = hedge
        self.first: float | None = None
        self.outcome: Outcome | None = None
        self._patience = patience
        self._span = UpstreamSpan(station.upstream.settings, Work.REPLY, hedge)
        self._deltas = station.upstream.generate(prompt, patience)
        self._held: list[Delta] = []
        self._started = time.perf_counter()
        self._took = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since it began, or that it took."""
        if self.outcome is not None:
            return self._took
        return time.perf_counter() - self._started

    async def begin(self) -> None:
        """Wait until there is something to pass on: a word, a tool call, or the news that words were held back.

        Raises:
            UpstreamFailure: there will be nothing.
        """
        try:
            with self._span.around():
                async with asyncio.timeout(self._patience.answer):
                    await self._first_delta()
            first = self.first = self.elapsed
        except TimeoutError:
            failure = self._no_answer(self._patience.answer or 0.0)
            self.fail(failure)
            raise failure from None
        except UpstreamFailure as failure:
            self.fail(failure)
            raise
        except Exception:
            # A fault of ours, told from a caller who left, which is no `Exception`.
            self.conclude(Outcome.UPSTREAM_ERROR)
            raise
        finally:
            if self.first is None:
                await self.close()
        self.station.first_tokens.add(first)
        self.station.circuit.answered(self.permit)
        self._span.first_token()
        metrics.FIRST_TOKEN.labels(self.station.name).observe(
            first, self._span.exemplar
        )

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """All deltas, after `begin`.

        Raises:
            UpstreamFailure: there will be no more of it.
        """
        async with aclosing(self._deltas):
            for delta in self._held:
                yield self._told(delta)
            try:
                async for delta in self._deltas:
                    yield self._told(delta)
            except UpstreamFailure as failure:
                self.fail(failure)
                raise

    async def close(self) -> None:
        """Stop the work upstream."""
        await self._deltas.aclose()

    def fail(self, failure: UpstreamFailure) -> None:
        """It ended with a failure of the upstream."""
        if self.outcome is not None:
            return
        bad_request = failure.outcome is Outcome.BAD_REQUEST
        note = log.debug if bad_request else log.warning
        note(
            "upstream failed",
            upstream=self.station.name,
            outcome=failure.outcome.value,
            reason=failure.reason,
        )
        if failure.error.message != failure.reason:
            log.debug(
                "upstream said why",
                upstream=self.station.name,
                said=failure.error.message,
            )
        self._end(failure.outcome)
        silent = self._took if self.first is None else None
        self.station.circuit.failed(self.permit, failure, silent)

    def overtaken(self) -> None:
        """Another upstream answered first."""
        if self.outcome is not None:
            return
        self._end(Outcome.CANCELLED)
        circuit = self.station.circuit
        if self.first is not None:
            circuit.dropped(self.permit)
            return
        # What it would have taken is not known, but at least this.
        self.station.first_tokens.add(self._took)
        if self.permit.probe and not self.hedge:
            # It was asked to show that it is well again, and was not in time.
            circuit.failed(self.permit, self._no_answer(self._took))
        else:
            circuit.dropped(self.permit)

    def conclude(self, outcome: Outcome) -> None:
        """It ended in another way; only the first end counts."""
        if self.outcome is not None:
            return
        if outcome is Outcome.TIMEOUT and self.first is None:
            self.fail(self._no_answer(self.elapsed))
            return
        self._end(outcome)
        if outcome is Outcome.OK:
            self.station.circuit.succeeded(self.permit)
        else:
            self.station.circuit.dropped(self.permit)

    def to_proto(self) -> llm_pb2.Attempt:
        """As the summary tells it, once it has ended."""
        assert self.outcome is not None
        return llm_pb2.Attempt(
            upstream=self.station.name,
            outcome=self.outcome.value,
            duration=to_duration(self.elapsed),
        )

    async def _first_delta(self) -> None:
        upstream = self.station.upstream.settings
        async for delta in self._deltas:
            self._held.append(delta)
            if isinstance(delta, Finish):
                if delta.reason != llm_pb2.FINISH_REASON_CONTENT_FILTER:
                    raise failures.empty(upstream)
            elif isinstance(delta, Text) and not delta.text.strip():
                continue
            return
        raise failures.bad_response(upstream, "the reply ended without an end")

    def _told(self, delta: Delta) -> Delta:
        if isinstance(delta, Finish):
            self._span.finished(delta)
        return delta

    def _no_answer(self, seconds: float) -> UpstreamFailure:
        settings = self.station.upstream.settings
        return failures.timed_out(settings, "no answer", seconds)

    def _end(self, outcome: Outcome) -> None:
        self._took = self.elapsed
        self.outcome = outcome
        metrics.UPSTREAM_ATTEMPTS.labels(self.station.name, outcome.value).inc(
            exemplar=self._span.exemplar
        )
        self._span.end(outcome)
