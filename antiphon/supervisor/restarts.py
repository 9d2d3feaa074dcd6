"""When to restart what died: pure, no clock of its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How patient to be.

    Attributes:
        first: seconds before the first restart; each next one waits twice as long.
        longest: seconds that no wait exceeds.
        forgiven_after: seconds of health after which the next death counts as the first.
        tries: deaths in a row before the first health ever, after which it is hopeless.
    """

    first: float = 0.5
    longest: float = 10.0
    forgiven_after: float = 30.0
    tries: int = 3


class Restarts:
    """The history of one process."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._deaths = 0
        self._ever_healthy = False

    def died(self, healthy_for: float | None) -> float | None:
        """Take note of a death.

        Args:
            healthy_for: seconds since it became healthy; None: it never did in this life.

        Returns:
            Seconds to wait before the restart; None: it cannot start at all, give up.
        """
        if healthy_for is not None:
            self._ever_healthy = True
            if healthy_for >= self._policy.forgiven_after:
                self._deaths = 0
        self._deaths += 1
        if not self._ever_healthy and self._deaths >= self._policy.tries:
            return None
        # No float holds 2 ** 1024, and a process may well die more often than that.
        doublings = min(self._deaths - 1, 64)
        return min(self._policy.first * 2.0**doublings, self._policy.longest)
