"""What users say, and what they are answered, stays out of the logs unless the operator lets it in."""

from collections.abc import Sized
from typing import Any, Final

from structlog.typing import EventDict

KEYS: Final = frozenset(
    ("answer", "body", "messages", "prompt", "said", "text", "transcript", "words")
)
"""Whatever a line calls so is taken for words."""


class Words(str):
    """Words of a user's or of an answer under any other key: what an upstream says of a prompt, for example."""

    __slots__ = ()


class Redaction:
    """Processor of log lines that puts a length in place of words.

    Args:
        let_in: leave them in lines of level debug. Lines of any other level never have any.
    """

    def __init__(self, let_in: bool) -> None:
        self._let_in = let_in

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """The line without words."""
        if self._let_in and event.get("level") == "debug":
            return event
        return {
            key: _length(value) if key in KEYS or isinstance(value, Words) else value
            for key, value in event.items()
        }


def _length(value: object) -> object:
    match value:
        case str():
            return f"({len(value)} characters)"
        case Sized():
            return f"({len(value)} of {type(value).__name__})"
        case None | bool():
            return value
        case _:
            return f"(a {type(value).__name__})"
