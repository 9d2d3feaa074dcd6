"""How commands fail: a sentence on standard error, and an exit status that scripts can tell apart."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, ClassVar, TypeVar

import click

_T = TypeVar("_T")

FAILED = 1
USAGE = 2
UNREACHABLE = 3


_STATUS = {3: USAGE, 14: UNREACHABLE}
"""By number of the gRPC status code: INVALID_ARGUMENT and UNAVAILABLE."""


def status_of(code: int) -> int:
    """What a command exits with when its conversation broke with a gRPC status code."""
    return _STATUS.get(code, FAILED)


class CommandError(Exception):
    """A command cannot go on; the message says what to do.

    Attributes:
        status: what the command exits with.
    """

    status: ClassVar[int] = FAILED


def say(message: str) -> None:
    """Tell what went wrong."""
    click.secho(message, fg="red", err=True)


class Reported:
    """Ends the command with a message and an exit status if its block raises an error that people can mend."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let bugs through, with all that is known about them.

        Raises:
            SystemExit: with a status that says what kind of error it was.
        """
        status = _status(error)
        if status is not None:
            say(str(error))
            if _asks_for_a_key(error):
                say("Name one with --key, or in ANTIPHON_API_KEY.")
            # A command's own errors say themselves what to do.
            if status == UNREACHABLE and not isinstance(error, CommandError):
                say(
                    "Start a gateway with `antiphon up`, or name another with --gateway."
                )
            raise SystemExit(status) from None


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it; leaves with a message and the right status if it fails."""
    with Reported():
        return asyncio.run(work)


def _asks_for_a_key(error: BaseException | None) -> bool:
    from services.runtime.errors import Unauthenticated

    return isinstance(error, Unauthenticated)


def _status(error: BaseException | None) -> int | None:
    if error is None:
        return None
    # Imported late: a command that does not fail may need none of it.
    from services.runtime.errors import AntiphonError, InvalidArgument, Unavailable

    match error:
        case CommandError():
            return error.status
        case Unavailable():
            return UNREACHABLE
        case InvalidArgument():
            return USAGE
        case AntiphonError():
            return FAILED
        case _:
            return None
