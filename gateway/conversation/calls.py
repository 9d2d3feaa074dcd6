"""Tool calls that wait for their results."""

from collections.abc import Iterable

from gateway.conversation.values import ToolCall

ABANDONED = '{"error": "The user went on before there was a result."}'
"""Stands for a result that nobody waited for: models want every call answered."""

OVERDUE = '{"error": "There was no result in time."}'
"""Stands for a result that was waited for in vain."""

Result = tuple[str, str]
"""Id of the call, and content."""


class Calls:
    """Which calls are open, and which results have come."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._returned: list[Result] = []
        self._abandoned: set[str] = set()

    def copied(self) -> "Calls":
        """The same calls and results; what becomes of either does not change the other."""
        calls = Calls()
        calls._open, calls._abandoned = set(self._open), set(self._abandoned)
        calls._returned = list(self._returned)
        return calls

    def ask(self, call: ToolCall) -> None:
        """The model asks for a function to be called."""
        self._open.add(call.id)

    def take(self, call_id: str, content: str) -> bool:
        """A result came; returns whether it was for a call that is, or was, open."""
        if call_id in self._open:
            self._open.discard(call_id)
            self._returned.append((call_id, content))
            return True
        return call_id in self._abandoned

    def all_returned(self) -> list[Result]:
        """The results, once there is one for every call; nothing before that."""
        if self._open:
            return []
        results, self._returned = self._returned, []
        return results

    @property
    def waiting(self) -> bool:
        """Whether a result is missing."""
        return bool(self._open)

    def expire(self) -> None:
        """Wait no longer, and go on with a stand-in for each result that is missing."""
        self._returned += [(call_id, OVERDUE) for call_id in sorted(self._open)]
        self._abandoned |= self._open
        self._open.clear()

    def abandon(self) -> list[Result]:
        """Wait no longer: the results that came, and a stand-in for each that did not."""
        results = self._returned + [
            (call_id, ABANDONED) for call_id in sorted(self._open)
        ]
        self._abandoned |= self._open
        self._open.clear()
        self._returned = []
        return results

    def forget(self, calls: Iterable[ToolCall]) -> None:
        """These were made by an answer that was given up; their results are nobody's."""
        gone = {call.id for call in calls}
        self._open -= gone
        self._abandoned |= gone
        self._returned = [result for result in self._returned if result[0] not in gone]
