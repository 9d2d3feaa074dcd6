"""Which upstreams a request may go to, in which order, and with which parameters."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from antiphon.v1 import llm_pb2
from services.llm.breaker import Circuit, State
from services.llm.hedging import FirstTokens
from services.llm.policies import CircuitSettings, HedgeSettings
from services.llm.prompt import Prompt
from services.llm.settings import RouteSettings
from services.llm.upstreams import Upstream, UpstreamFailure
from services.runtime.errors import AntiphonError, Full, InvalidArgument, Unavailable
from services.runtime.logs import get_logger
from services.runtime.telemetry import labels, metrics

log = get_logger(__name__)

_COUNTED = (
    metrics.FIRST_TOKEN,
    metrics.UPSTREAM_ATTEMPTS,
    metrics.HEDGES,
    metrics.CIRCUIT_OPENINGS,
    metrics.TOKENS,
)
"""By upstream, from its beginning."""


class Station:
    """An upstream and what is known of how it does.

    Attributes:
        upstream: itself.
        name: of the upstream.
        circuit: whether it may be asked.
        first_tokens: how long its first tokens took.
    """

    def __init__(
        self,
        upstream: Upstream,
        circuit: CircuitSettings,
        hedging: HedgeSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.upstream = upstream
        self.name = upstream.settings.name
        self.circuit = Circuit(circuit, clock, self._turned)
        self.first_tokens = FirstTokens(hedging)
        metrics.CIRCUIT_STATE.labels(self.name).set(State.CLOSED)
        for metric in _COUNTED:
            # At 0, so that the first of each kind is seen as a rise.
            labels.at_zero(metric, upstream=self.name)

    def why_not(self) -> AntiphonError:
        """Why it is not asked, as an error of the kind that made it rest."""
        why, rest = self.circuit.why, self.circuit.rest
        if why is None:
            return Unavailable(f"upstream {self.name!r} rests")
        wait = f"rests for another {rest:.0f} s" if rest else "is being tried again"
        message = f"{why.reason} (it {wait})"
        full = isinstance(why.error, Full)
        error = Full(message, rest) if full else type(why.error)(message)
        error.everywhere = why.error.everywhere
        return error

    def _turned(self, state: State, why: UpstreamFailure | None) -> None:
        metrics.CIRCUIT_STATE.labels(self.name).set(state)
        if why is not None:
            metrics.CIRCUIT_OPENINGS.labels(self.name, why.outcome.value).inc()
            log.warning(
                "upstream is left alone",
                upstream=self.name,
                outcome=why.outcome.value,
                seconds=round(self.circuit.rest, 1),
            )
        elif state is State.CLOSED:
            log.info("upstream is back", upstream=self.name)


class Route:
    """What stands behind a name that clients ask for.

    Attributes:
        name: that clients use.
        settings: of the route.
        stations: its upstreams, in the order they are tried.
    """

    def __init__(
        self, name: str, settings: RouteSettings, stations: Mapping[str, Station]
    ) -> None:
        self.name = name
        self.settings = settings
        self.stations = [stations[upstream] for upstream in settings.upstreams]

    @property
    def images(self) -> bool:
        """Whether a prompt may hold pictures: somebody behind it looks at them."""
        return any(s.upstream.settings.images for s in self.stations)

    @property
    def tools(self) -> bool:
        """Whether tools may be offered: somebody behind it calls them."""
        return any(s.upstream.settings.tools for s in self.stations)

    def describe(self) -> llm_pb2.ModelAlias:
        """As clients are told of it."""
        contexts = [s.upstream.settings.context_tokens for s in self.stations]
        return llm_pb2.ModelAlias(
            name=self.name,
            upstreams=[station.name for station in self.stations],
            model=self.stations[0].upstream.settings.model,
            images=self.images,
            tools=self.tools,
            context_tokens=min(filter(None, contexts), default=0),
        )

    def fill(self, prompt: Prompt) -> Prompt:
        """The prompt with the route's parameters wherever the request left them open."""
        return replace(
            prompt,
            sampling={**self.settings.sampling, **prompt.sampling},
            extra_body=self.settings.extra_body,
        )

    def able(self, prompt: Prompt) -> list[Station]:
        """Those who can take the prompt, in the order they are tried.

        Raises:
            InvalidArgument: nobody takes pictures and tools together, and the prompt has both.
        """
        able = [
            s
            for s in self.stations
            if (s.upstream.settings.images or not prompt.has_pictures)
            and (s.upstream.settings.tools or not prompt.tools)
        ]
        if not able:
            raise InvalidArgument(
                "tools", "no upstream of this model takes tools and pictures together"
            )
        return able


def last_resort(resting: Sequence[Station]) -> Station | None:
    """Of the upstreams that rest, the one to ask all the same when no other is left; a turn is lost anyhow then.

    None where all have said themselves that asking is no use before their time.
    """
    worth = [station for station in resting if station.circuit.may_be_forced]
    return min(worth, key=lambda station: station.circuit.rest, default=None)
