"""What the caller is told when no upstream answered. Pure."""

from collections.abc import Sequence

from services.runtime.errors import (
    AntiphonError,
    DeadlineExceeded,
    FailedPrecondition,
    Full,
    InvalidArgument,
    Unavailable,
)

_ALL_SAID = 600
"""Characters of all reasons together; an error keeps little more."""


def verdict(
    reasons: Sequence[tuple[str, AntiphonError]], out_of_time: bool
) -> AntiphonError:
    """One error for all that was tried.

    If all failed in the same way, that is its kind: full where all are rate-limited, with the shortest wait; the
    deadline where all were silent; the operator's where all need mending. Else `Unavailable`: another moment may do
    better, and another replica, unless each upstream would have told it the same.

    Args:
        reasons: an upstream's name and why it gave no answer, in order; at least one.
        out_of_time: whether the RPC's deadline ran out over it.
    """
    errors = [error for _, error in reasons]
    if len(errors) == 1 and not out_of_time:
        return errors[0]
    together = _together(reasons, errors, out_of_time)
    together.everywhere = all(error.everywhere for error in errors)
    return together


def _together(
    reasons: Sequence[tuple[str, AntiphonError]],
    errors: Sequence[AntiphonError],
    out_of_time: bool,
) -> AntiphonError:
    share = _ALL_SAID // len(reasons)
    said = "; ".join(
        f"{name}: {_shorten(error.message, share)}" for name, error in reasons
    )
    if out_of_time:
        return DeadlineExceeded(
            f"no upstream answered before the RPC's deadline: {said}"
        )
    message = f"no upstream answers: {said}"
    full = [error.retry_after for error in errors if isinstance(error, Full)]
    if len(full) == len(errors):
        return Full(message, min(full))
    if all(isinstance(error, InvalidArgument) for error in errors):
        return errors[-1]
    for kind in (DeadlineExceeded, FailedPrecondition):
        if all(isinstance(error, kind) for error in errors):
            return kind(message)
    return Unavailable(message)


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
