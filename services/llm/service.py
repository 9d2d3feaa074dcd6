"""The language-model proxy: one RPC, one prompt, one reply from the upstream behind the alias."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc

from antiphon.v1 import llm_pb2, llm_pb2_grpc, stage_pb2
from services.llm import prompt, upstreams
from services.llm.settings import LlmSettings, UpstreamSettings
from services.llm.upstreams import (
    Delta,
    Finish,
    Outcome,
    Text,
    Upstream,
    UpstreamFailure,
)
from services.runtime import metrics
from services.runtime.contract import working_for
from services.runtime.errors import DeadlineExceeded, InvalidArgument, Unavailable
from services.runtime.logs import get_logger
from services.runtime.server import Service
from services.runtime.streams import write
from services.runtime.units import to_duration

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class LanguageModelService(Service, llm_pb2_grpc.LanguageModelServicer):
    """Serves ``antiphon.v1.LanguageModel``."""

    name = "llm"
    full_names = ("antiphon.v1.LanguageModel",)

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._aliases = settings.alias_table()
        self._upstreams: dict[str, Upstream] = {}

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        llm_pb2_grpc.add_LanguageModelServicer_to_server(self, server)

    async def start(self) -> None:
        """Reach the upstreams. One that does not answer is logged and served without: it may come yet.

        Raises:
            FailedPrecondition: an upstream's kind is unknown, or its key cannot be had.
        """
        for settings in self._settings.upstreams:
            self._upstreams[settings.name] = upstreams.create(settings)
        async with asyncio.TaskGroup() as group:
            for upstream in self._upstreams.values():
                group.create_task(self._warm(upstream))

    async def stop(self) -> None:
        """Close the connections to the upstreams."""
        for upstream in self._upstreams.values():
            await upstream.close()

    async def Generate(  # type: ignore[override]  # read/write style
        self, request: llm_pb2.GenerateRequest, context: Context
    ) -> None:
        """Write the reply to a prompt; see the contract."""
        upstream = self._choose(request.model)
        abilities = upstream.settings
        asked = prompt.read_generate(request, abilities.images, abilities.tools)
        with working_for(request.turn):
            attempt = _Attempt(abilities, context.time_remaining())
            async with aclosing(attempt.run(upstream.generate(asked))) as responses:
                async for response in responses:
                    await write(context, response)

    async def Prepare(
        self, request: llm_pb2.PrepareRequest, context: Context
    ) -> llm_pb2.PrepareResponse:
        """Warm the prompt cache with the beginning of a prompt; see the contract."""
        upstream = self._choose(request.model)
        abilities = upstream.settings
        asked = prompt.read_prepare(request, abilities.images, abilities.tools)
        with working_for(request.turn):
            try:
                tokens = await upstream.prepare(asked)
            except UpstreamFailure as failure:
                raise failure.error from None
        return llm_pb2.PrepareResponse(
            prepared=tokens is not None, prompt_tokens=tokens or 0
        )

    async def Describe(
        self, request: llm_pb2.LanguageModelDescribeRequest, context: Context
    ) -> llm_pb2.LanguageModelDescribeResponse:
        """What this replica is and can do; see the contract."""
        settings = {alias: self._choose(alias).settings for alias in self._aliases}
        return llm_pb2.LanguageModelDescribeResponse(
            models=[
                llm_pb2.ModelAlias(
                    name=alias,
                    upstreams=[upstream.name],
                    model=upstream.model,
                    images=upstream.images,
                    tools=upstream.tools,
                )
                for alias, upstream in settings.items()
            ],
            prepare=any(upstream.slots for upstream in settings.values()),
            capacity=stage_pb2.Capacity(
                streams=self.admission.capacity, open=self.admission.open
            ),
        )

    def _choose(self, alias: str) -> Upstream:
        name = self._aliases.get(alias or next(iter(self._aliases)))
        if name is None:
            raise InvalidArgument(
                "model", f"there is no model {alias!r}", self._aliases
            )
        if name not in self._upstreams:
            raise Unavailable("the proxy is still starting; try again")
        return self._upstreams[name]

    async def _warm(self, upstream: Upstream) -> None:
        name = upstream.settings.name
        try:
            async with asyncio.timeout(self._settings.warm_up_seconds):
                await upstream.warm()
        except UpstreamFailure as failure:
            log.warning(
                "upstream is not there yet", upstream=name, reason=failure.error.message
            )
        except TimeoutError:
            log.warning("upstream does not answer yet", upstream=name)


class _Attempt:
    """One try at one upstream: its clock, its outcome, its metrics."""

    def __init__(self, settings: UpstreamSettings, budget: float | None) -> None:
        """Start the clock.

        Args:
            settings: of the upstream.
            budget: seconds left until the RPC's deadline; None without one.
        """
        self._settings = settings
        self._upstream = settings.name
        self._budget = budget
        self._started = time.perf_counter()
        self._first: float | None = None

    async def run(
        self, deltas: AsyncGenerator[Delta, None]
    ) -> AsyncGenerator[llm_pb2.GenerateResponse, None]:
        """Pass the deltas on within the budget, as what the caller is sent.

        Raises:
            AntiphonError: the upstream failed, or the budget ran out.
        """
        outcome = Outcome.CANCELLED
        try:
            async with aclosing(deltas):
                while True:
                    async with asyncio.timeout(self._left()):
                        delta = await anext(deltas, None)
                    if delta is None:
                        return
                    self._note(delta)
                    response = self._response(delta)
                    if isinstance(delta, Finish):
                        outcome = Outcome.OK
                    yield response
        except UpstreamFailure as failure:
            outcome = failure.outcome
            # What an upstream says about a bad request may repeat the user's words.
            note = log.debug if outcome is Outcome.BAD_REQUEST else log.warning
            note(
                "upstream failed",
                upstream=self._upstream,
                outcome=outcome.value,
                reason=failure.error.message,
            )
            raise failure.error from None
        except TimeoutError:
            outcome = Outcome.TIMEOUT
            raise DeadlineExceeded(
                f"the reply of upstream {self._upstream!r} did not come within the deadline"
            ) from None
        except Exception:
            # A fault of ours, told from a caller who left, which is no `Exception`.
            outcome = Outcome.UPSTREAM_ERROR
            raise
        finally:
            if outcome is Outcome.CANCELLED and self._left() == 0:
                outcome = Outcome.TIMEOUT
            metrics.UPSTREAM_ATTEMPTS.labels(self._upstream, outcome.value).inc()

    def _response(self, delta: Delta) -> llm_pb2.GenerateResponse:
        if isinstance(delta, Finish):
            return llm_pb2.GenerateResponse(summary=self._summary(delta))
        if isinstance(delta, Text):
            return llm_pb2.GenerateResponse(text=delta.text)
        return llm_pb2.GenerateResponse(
            tool_call=llm_pb2.ToolCall(
                id=delta.id, name=delta.name, arguments_json=delta.arguments
            )
        )

    def _summary(self, finish: Finish) -> llm_pb2.GenerateSummary:
        took = to_duration(time.perf_counter() - self._started)
        first = to_duration(self._first or 0.0)
        usage = finish.usage
        return llm_pb2.GenerateSummary(
            finish_reason=finish.reason,
            usage=llm_pb2.TokenUsage(
                prompt=usage.prompt, cached=usage.cached, completion=usage.completion
            ),
            upstream=self._upstream,
            attempts=[
                llm_pb2.Attempt(
                    upstream=self._upstream, outcome=Outcome.OK.value, duration=took
                )
            ],
            time_to_first_token=first,
            timings=stage_pb2.StageTimings(computed=took, first_result=first),
            engine=stage_pb2.EngineInfo(
                engine=self._settings.kind, model=self._settings.model
            ),
        )

    def _left(self) -> float | None:
        if self._budget is None:
            return None
        return max(self._budget - (time.perf_counter() - self._started), 0.0)

    def _note(self, delta: Delta) -> None:
        if isinstance(delta, Finish):
            for kind in ("prompt", "cached", "completion"):
                count = getattr(delta.usage, kind)
                metrics.TOKENS.labels(self._upstream, kind).inc(count)
        elif self._first is None:
            self._first = time.perf_counter() - self._started
            metrics.FIRST_TOKEN.labels(self._upstream).observe(self._first)
