"""Tool calls that wait for their results."""

from collections.abc import Iterable

from gateway.conversation.values import ToolCall

ABANDONED = '{"error": "The user went on before there was a result."}'
"""Stands for a result that nobody waited for: models want every call answered."""

OVERDUE = '{"error": "There was no result in time."}'
"""Stands for a result that was waited for in vain."""

PENDING = '{"status": "There is no result yet."}'
"""Stands for a result that is still waited for, while the assistant says something else."""


class Calls:
    """Which calls are open, and whether all that were have come back."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._returned: set[str] = set()

    def ask(self, call: ToolCall) -> None:
        """The model asks for a function to be called."""
        self._open.add(call.id)

    def take(self, call_id: str) -> bool:
        """A result came; returns whether it was waited for."""
        if call_id not in self._open:
            return False
        self._open.discard(call_id)
        self._returned.add(call_id)
        return True

    def all_returned(self) -> bool:
        """Whether results have come and none is missing; true but once."""
        if self._open or not self._returned:
            return False
        self._returned.clear()
        return True

    @property
    def waiting(self) -> bool:
        """Whether a result is missing."""
        return bool(self._open)

    @property
    def open(self) -> frozenset[str]:
        """Ids of the calls whose results are waited for."""
        return frozenset(self._open)

    def expire(self) -> frozenset[str]:
        """Wait no longer, and go on without the results that are missing; returns the ids of their calls."""
        missing = self.open
        self._returned |= missing
        self._open.clear()
        return missing

    def abandon(self) -> None:
        """Wait no longer: the user went on."""
        self._open.clear()
        self._returned.clear()

    def forget(self, calls: Iterable[str]) -> None:
        """These are nobody's any more, nor are their results."""
        gone = set(calls)
        self._open -= gone
        self._returned -= gone
