"""The language-model proxy: one RPC, one prompt, one reply from one of the upstreams behind the alias."""

import asyncio
from contextlib import aclosing
from typing import Any

import grpc

from antiphon.v1 import llm_pb2, llm_pb2_grpc, stage_pb2
from services.llm import prompt, upstreams
from services.llm.hedging import HedgeBudget
from services.llm.prompt import Prompt
from services.llm.race import Race
from services.llm.routing import Route, Station
from services.llm.settings import DEFAULT_ROUTE, LlmSettings
from services.llm.spans import UpstreamSpan, Work
from services.llm.upstreams import Outcome, Upstream, UpstreamFailure
from services.llm.verdict import verdict
from services.runtime.contract import read_budget, working_for
from services.runtime.errors import InvalidArgument, Unavailable
from services.runtime.logs import get_logger
from services.runtime.server import Service
from services.runtime.streams import write

log = get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class LanguageModelService(Service, llm_pb2_grpc.LanguageModelServicer):
    """Serves ``antiphon.v1.LanguageModel``."""

    name = "llm"
    full_names = ("antiphon.v1.LanguageModel",)

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._stations: dict[str, Station] = {}
        self._routes: dict[str, Route] = {}
        self._hedges = HedgeBudget(settings.hedging)

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        llm_pb2_grpc.add_LanguageModelServicer_to_server(self, server)

    async def start(self) -> None:
        """Reach the upstreams. One that does not answer is logged and served without: it may come yet.

        Raises:
            FailedPrecondition: an upstream's kind is unknown, or its key cannot be had.
        """
        settings = self._settings
        for upstream in settings.upstreams:
            self._stations[upstream.name] = Station(
                upstreams.create(upstream), settings.circuit, settings.hedging
            )
        async with asyncio.TaskGroup() as group:
            for station in self._stations.values():
                group.create_task(self._warm(station.upstream))
        self._routes = {
            name: Route(name, route, self._stations)
            for name, route in settings.route_table().items()
        }

    async def stop(self) -> None:
        """Close the connections to the upstreams."""
        for station in self._stations.values():
            await station.upstream.close()

    async def Generate(  # type: ignore[override]  # read/write style
        self, request: llm_pb2.GenerateRequest, context: Context
    ) -> None:
        """Write the reply to a prompt; see the contract."""
        route = self._route(request.model)
        asked = prompt.read_generate(request, route.images, route.tools)
        left = context.time_remaining()
        wanted = read_budget(context.invocation_metadata() or ())
        with working_for(request.turn):
            race = Race(
                route,
                route.fill(asked),
                left,
                self._settings.hedging,
                self._hedges,
                wanted,
            )
            async with aclosing(race.run()) as responses:
                async for response in responses:
                    await write(context, response)

    async def Prepare(
        self, request: llm_pb2.PrepareRequest, context: Context
    ) -> llm_pb2.PrepareResponse:
        """Warm the prompt cache with the beginning of a prompt; see the contract."""
        route = self._route(request.model)
        asked = route.fill(prompt.read_prepare(request, route.images, route.tools))
        able = route.able(asked)
        first = next((s for s in able if s.circuit.admits), None)
        if first is None:
            reasons = [(station.name, station.why_not()) for station in able]
            raise verdict(reasons, out_of_time=False)
        with working_for(request.turn):
            tokens = await _prepare(first.upstream, asked)
        return llm_pb2.PrepareResponse(
            prepared=tokens is not None, prompt_tokens=tokens or 0
        )

    async def Describe(
        self, request: llm_pb2.LanguageModelDescribeRequest, context: Context
    ) -> llm_pb2.LanguageModelDescribeResponse:
        """What this replica is and can do; see the contract."""
        self._route("")
        behind = [s for route in self._routes.values() for s in route.stations]
        return llm_pb2.LanguageModelDescribeResponse(
            models=[route.describe() for route in self._routes.values()],
            prepare=any(station.upstream.settings.slots for station in behind),
            capacity=stage_pb2.Capacity(
                streams=self.admission.capacity, open=self.admission.open
            ),
        )

    def _route(self, alias: str) -> Route:
        known = self._settings.route_table()
        if (alias or DEFAULT_ROUTE) not in known:
            raise InvalidArgument("model", f"there is no model {alias!r}", known)
        if not self._routes:
            raise Unavailable("the proxy is still starting; try again")
        return self._routes[alias or DEFAULT_ROUTE]

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


async def _prepare(upstream: Upstream, beginning: Prompt) -> int | None:
    """See `Upstream.prepare`; with a span, and the failure as the caller is told.

    Raises:
        AntiphonError: it did not work.
    """
    span = UpstreamSpan(upstream.settings, Work.PREPARE)
    outcome = Outcome.CANCELLED
    try:
        with span.around():
            tokens = await upstream.prepare(beginning)
        span.prepared(tokens)
        outcome = Outcome.SKIPPED if tokens is None else Outcome.OK
        return tokens
    except UpstreamFailure as failure:
        outcome = failure.outcome
        raise failure.error from None
    except Exception:
        # A fault of ours, told from a caller who left, which is no `Exception`.
        outcome = Outcome.UPSTREAM_ERROR
        raise
    finally:
        span.end(outcome)
