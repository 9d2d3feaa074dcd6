"""When the assistant speaks without having been asked, and when nobody has spoken for too long."""

from gateway.conversation.values import Idle, Initiative

BEGINNING = "(The conversation begins.)"
"""Stands in the history for what a greeting answers: models want the user to speak first."""

SILENCE = "(The user says nothing.)"
"""Likewise for what breaks a silence."""


class Quiet:
    """Measures how long nobody has spoken.

    Args:
        idle: what to do about it; None for nothing.
    """

    def __init__(self, idle: Idle | None) -> None:
        self._idle = idle
        self._since: float | None = None
        self._times = 0

    def hold(self, idle: Idle | None) -> None:
        """From now on, this is done about it; a silence counts from here on if that is something else."""
        if idle != self._idle:
            self._idle, self._since = idle, None

    def user_spoke(self) -> None:
        """The user said something: they may be prompted anew, though not at once."""
        self._times = 0
        self._since = None

    def lasted(self, now: float) -> float:
        """Seconds for which it has been quiet."""
        return now - self._since if self._since is not None else 0.0

    def observe(self, quiet: bool, now: float) -> Initiative | None:
        """Whether anybody speaks; returns what is to be said about it now."""
        if self._idle is None:
            return None
        if not quiet:
            self._since = None
        elif self._since is None:
            self._since = now
        due = self.due_at()
        if due is None or now < due:
            return None
        self._times += 1
        return self._idle.what

    def due_at(self) -> float | None:
        """When the silence will have been too long; None for never."""
        if self._idle is None or self._since is None or self._times >= self._idle.most:
            return None
        return self._since + self._idle.after
