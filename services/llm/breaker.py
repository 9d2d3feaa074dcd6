"""A circuit breaker: an upstream that fails is left alone for a while, then tried again by one request.

Pure: time comes from the clock it is given, and whoever asks the upstream reports how that went.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from services.llm.policies import CircuitSettings
from services.llm.upstreams import Outcome, UpstreamFailure
from services.runtime.errors import Full


class State(IntEnum):
    """Of a circuit; the numbers are those of its metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask the upstream once; hand it back with the verdict.

    Attributes:
        opening: how often the circuit had opened by then. A verdict from before the latest opening is no news.
        probe: whether this is the one request that finds out if the upstream works again.
    """

    opening: int
    probe: bool


_TO_MEND = (Outcome.UNAUTHORIZED, Outcome.NOT_FOUND, Outcome.BAD_REQUEST)
"""Stays as it is until somebody has changed the settings, or the upstream."""


class Circuit:
    """Of one upstream.

    Attributes:
        state: closed while the upstream works, open while it rests, half open while a probe is on its way.
        why: the failure that opened it last; None if none did.
    """

    def __init__(
        self,
        settings: CircuitSettings,
        clock: Callable[[], float],
        watch: Callable[[State, UpstreamFailure | None], None] = lambda *_: None,
    ) -> None:
        """Closed.

        Args:
            settings: when it opens and for how long.
            clock: monotonic, in seconds.
            watch: told of each new state, and of the failure where one brought it about.
        """
        self.state = State.CLOSED
        self.why: UpstreamFailure | None = None
        self._settings = settings
        self._clock = clock
        self._watch = watch
        self._failures = 0
        self._recent: deque[bool] = deque(maxlen=settings.window)
        self._until = 0.0
        self._openings = 0
        self._rests = 0

    @property
    def rest(self) -> float:
        """Seconds until the upstream may be tried again; 0 where it may now."""
        if self.state is State.CLOSED:
            return 0.0
        return max(self._until - self._clock(), 0.0)

    @property
    def admits(self) -> bool:
        """Whether `ask` would give a permit."""
        return self.state is State.CLOSED or (
            self.state is State.OPEN and self.rest == 0
        )

    @property
    def may_be_forced(self) -> bool:
        """Whether asking in spite of the rest could help: not where a rate limit would only last longer."""
        limited = self.why is not None and self.why.outcome is Outcome.RATE_LIMITED
        return self.admits or not limited

    def ask(self, force: bool = False) -> Permit | None:
        """Leave to ask the upstream; None while it rests, unless forced."""
        if self.state is State.CLOSED:
            return Permit(self._openings, probe=False)
        if self.admits:
            self._become(State.HALF_OPEN)
            return Permit(self._openings, probe=True)
        return Permit(self._openings, probe=False) if force else None

    def answered(self, permit: Permit) -> None:
        """The upstream has begun a reply: it is there again."""
        if permit.opening == self._openings and self.state is not State.CLOSED:
            self._failures = 0
            self._recent.clear()
            self._become(State.CLOSED)

    def succeeded(self, permit: Permit) -> None:
        """A reply came to its end."""
        if permit.opening == self._openings:
            self._failures = 0
            self._rests = 0
            self._recent.append(True)

    def failed(
        self, permit: Permit, failure: UpstreamFailure, silent: float | None = None
    ) -> None:
        """A try failed.

        Args:
            permit: of the try.
            failure: how it did.
            silent: seconds that nothing of a reply came; None where something did.
        """
        hurried = silent is not None and silent < self._settings.fair_wait
        if not failure.blamed or (failure.outcome is Outcome.TIMEOUT and hurried):
            self.dropped(permit)
            return
        if permit.opening != self._openings:
            return
        if self.state is State.OPEN:
            return  # a forced try; the rest goes on
        if isinstance(failure.error, Full):
            grown = self._grown() if permit.probe else 0.0
            self._open(failure, max(failure.error.retry_after, grown))
        elif failure.outcome in _TO_MEND:
            self._open(failure, self._settings.mend_rest)
        else:
            self._failures += 1
            self._recent.append(False)
            if permit.probe or self._too_many():
                self._open(failure, self._grown())

    def dropped(self, permit: Permit) -> None:
        """A try ended without a verdict: nobody wanted it any more."""
        current = permit.opening == self._openings
        if permit.probe and current and self.state is State.HALF_OPEN:
            # The next request is the next probe.
            self._become(State.OPEN)

    def _too_many(self) -> bool:
        if self._failures >= self._settings.failures:
            return True
        failed = self._recent.count(False)
        full = len(self._recent) == self._settings.window
        return full and failed >= self._settings.share * self._settings.window

    def _grown(self) -> float:
        rest = self._settings.rest * 2.0 ** min(self._rests, 32)
        return min(rest, self._settings.longest_rest)

    def _open(self, failure: UpstreamFailure, seconds: float) -> None:
        self.why = failure
        self._until = self._clock() + seconds
        self._openings += 1
        self._rests += 1
        self._failures = 0
        self._recent.clear()
        self._become(State.OPEN, failure)

    def _become(self, state: State, why: UpstreamFailure | None = None) -> None:
        self.state = state
        self._watch(state, why)
