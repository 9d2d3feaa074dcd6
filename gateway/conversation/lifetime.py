"""When a conversation is over that nobody has ended."""

from gateway.conversation.values import Ending, Policy


class Lifetime:
    """Measures how long a conversation has lasted, and for how long nobody has said anything.

    Args:
        policy: says how long either may be.

    Attributes:
        policy: says how long either may be.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._began_at: float | None = None
        self._spoke_at = 0.0

    def begin(self, now: float) -> None:
        """The conversation opens."""
        self._began_at = self._spoke_at = now

    def spoke(self, now: float) -> None:
        """Somebody says, or writes, something."""
        self._spoke_at = now

    def over(self, now: float) -> Ending | None:
        """Why it is over; None while it is not."""
        for due_at, why in self._limits():
            if now >= due_at:
                return why
        return None

    def due_at(self) -> float | None:
        """When it will be over if nobody says anything; None for never."""
        return min((due_at for due_at, _ in self._limits()), default=None)

    def _limits(self) -> list[tuple[float, Ending]]:
        limits = []
        if self._began_at is not None and self.policy.longest is not None:
            limits.append((self._began_at + self.policy.longest, Ending.TOO_LONG))
        if self._began_at is not None and self.policy.longest_silence is not None:
            limits.append((self._spoke_at + self.policy.longest_silence, Ending.IDLE))
        return limits
