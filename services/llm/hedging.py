"""When an upstream is late, and whether another may be asked alongside it. Pure: times come in as numbers."""

import math
from collections import deque
from enum import StrEnum

from services.llm.policies import HedgeSettings


class Hedged(StrEnum):
    """How a try went that was begun beside one that was late; `REFUSED` where there were too many of late."""

    WON = "won"
    LOST = "lost"
    FAILED = "failed"
    REFUSED = "refused"


class FirstTokens:
    """How long an upstream's latest first tokens took."""

    def __init__(self, settings: HedgeSettings) -> None:
        self._settings = settings
        self._seconds: deque[float] = deque(maxlen=settings.window)

    def add(self, seconds: float) -> None:
        """Note a first token, or how long one was waited for in vain.

        Without the latter, hedging would hide the slowest replies from its own measure, which would shrink for ever.
        """
        self._seconds.append(seconds)

    def late(self) -> float | None:
        """Seconds after which a first token is late; None as long as too few have been seen."""
        late = self.within(self._settings.quantile)
        if late is None:
            return None
        return min(max(late, self._settings.floor), self._settings.ceiling)

    def within(self, share: float) -> float | None:
        """Seconds within which that share of the first tokens came, likewise."""
        if len(self._seconds) < self._settings.samples:
            return None
        ranked = sorted(self._seconds)
        # Shares such as 1 - 0.1 are off by their rounding.
        rank = math.ceil(round(share * len(ranked), 9))
        return ranked[max(rank, 1) - 1]


class HedgeBudget:
    """Keeps hedges to a share of the requests: a slow day for all upstreams must not double their load."""

    def __init__(self, settings: HedgeSettings) -> None:
        """One hedge is there to begin with."""
        self._settings = settings
        self._saved = 1.0

    def earn(self) -> None:
        """A request came in."""
        self._saved = min(
            self._saved + self._settings.share, float(self._settings.burst)
        )

    def spend(self) -> bool:
        """Whether one more request may be hedged."""
        # Sums of shares such as 0.1 fall short of 1 by their rounding.
        if self._settings.share == 0 or self._saved < 1 - 1e-9:
            return False
        self._saved -= 1
        return True


def delay(
    hedge: bool | float,
    first_tokens: FirstTokens,
    settings: HedgeSettings,
    probe: bool,
    latest: float | None = None,
) -> float | None:
    """Seconds to wait for a first token before the next upstream is asked alongside; None: never.

    Args:
        hedge: of the route.
        first_tokens: of the upstream that is waited for.
        settings: of hedging.
        probe: whether that upstream is only tried again after a rest; it is not trusted to answer.
        latest: seconds after which the next one would come too late for the turn's budget; None where that is unknown.
    """
    if not isinstance(hedge, bool):
        return hedge
    if not hedge:
        return None
    late = first_tokens.late()
    if late is None and probe:
        late = settings.ceiling
    if latest is None:
        return late
    # Where more than may be hedged take so long, hedges are for the slowest of them.
    soonest = first_tokens.within(1 - settings.share) or settings.floor
    latest = max(latest, soonest, settings.floor)
    return latest if late is None else min(late, latest)
