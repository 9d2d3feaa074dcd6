"""The errors of the contract: each class is one gRPC status with its ``google.rpc`` details.

Raise these; the server turns them into statuses (`services.runtime.rpc`), and clients turn statuses back into
them (`from_rpc_error`), so that an error keeps its kind however many hops it crosses.
"""

from collections.abc import Iterable

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

LONGEST_PART = 300
"""Of a value that a message echoes, or of the list of what is allowed instead; bytes as they are encoded."""
LONGEST_MESSAGE = 700
"""Two parts and some words. It goes out three times, and gRPC replaces a status whose metadata reach 8 KiB."""

_EVERYWHERE = error_details_pb2.ErrorInfo(
    reason="SAME_ON_EVERY_REPLICA", domain="antiphon"
)


class AntiphonError(Exception):
    """Something went wrong that the caller is to be told of.

    Attributes:
        code: the gRPC status code that it becomes.
        message: what happened and what to do about it, for a person; shortened. ``str`` of the error tells it all.
        everywhere: whether every replica would say the same, so that there is no use in asking another one.
    """

    code: grpc.StatusCode = grpc.StatusCode.INTERNAL
    everywhere: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = _shorten(message, LONGEST_MESSAGE)

    def details(self) -> list[any_pb2.Any]:
        """``google.rpc`` messages that say more than the code does."""
        return []

    def to_status(self) -> status_pb2.Status:
        """The status that goes over the wire."""
        number: int = self.code.value[0]
        details = [*self.details(), *([_pack(_EVERYWHERE)] if self.everywhere else [])]
        return status_pb2.Status(code=number, message=self.message, details=details)


class InvalidArgument(AntiphonError):
    """The caller sent something that is not allowed.

    Attributes:
        field: path of the field in the request, e.g. ``config.language``.
    """

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(
        self, field: str, problem: str, allowed: Iterable[str] | str = ()
    ) -> None:
        listed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        self.field = _shorten(field, LONGEST_PART)
        if listed:
            problem = (
                f"{_shorten(problem, LONGEST_PART)}; "
                f"allowed: {_shorten(listed, LONGEST_PART)}"
            )
        self.problem = _shorten(problem, LONGEST_MESSAGE)
        super().__init__(f"{field}: {self.problem}" if field else self.problem)

    def details(self) -> list[any_pb2.Any]:
        """A ``BadRequest`` that names the field."""
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=self.field, description=self.problem
        )
        return [_pack(error_details_pb2.BadRequest(field_violations=[violation]))]


class Full(AntiphonError):
    """This replica carries all it can; another may have room.

    Attributes:
        retry_after: seconds after which this replica is worth another try.
    """

    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def details(self) -> list[any_pb2.Any]:
        """A ``RetryInfo``, which tells "full" from other exhaustion."""
        return [_retry(self.retry_after)]


class TooMuch(AntiphonError):
    """The caller goes over a limit that no other replica would lift, such as the size of a message.

    Attributes:
        retry_after: seconds after which the limit allows it again; None where it never does.
    """

    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def details(self) -> list[any_pb2.Any]:
        """Where time helps, a ``RetryInfo``, and a ``QuotaFailure`` that tells it from a full replica's."""
        if self.retry_after is None:
            return []
        violation = error_details_pb2.QuotaFailure.Violation(
            description=_shorten(self.message, LONGEST_PART)
        )
        quota = error_details_pb2.QuotaFailure(violations=[violation])
        return [_pack(quota), _retry(self.retry_after)]


class Unauthenticated(AntiphonError):
    """Nobody knows who calls: there is no key, or none that is known."""

    code = grpc.StatusCode.UNAUTHENTICATED
    everywhere = True


class PermissionDenied(AntiphonError):
    """It is known who calls, and they may not."""

    code = grpc.StatusCode.PERMISSION_DENIED
    everywhere = True


class Unavailable(AntiphonError):
    """The process is going away, or what it needs cannot be reached."""

    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceeded(AntiphonError):
    """The budget ran out."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class FailedPrecondition(AntiphonError):
    """The operator has to mend something before this can work."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Cancelled(AntiphonError):
    """The other side gave up."""

    code = grpc.StatusCode.CANCELLED


class EngineError(AntiphonError):
    """A model failed on what it was given."""

    code = grpc.StatusCode.INTERNAL


_BY_CODE: dict[grpc.StatusCode, type[AntiphonError]] = {
    kind.code: kind
    for kind in (
        Unavailable,
        DeadlineExceeded,
        FailedPrecondition,
        Cancelled,
        EngineError,
        TooMuch,
        Unauthenticated,
        PermissionDenied,
    )
}


_NOBODY_THERE = (
    "failed to connect to all addresses",
    "connections to all backends failing",
)


def from_rpc_error(error: grpc.aio.AioRpcError, peer: str) -> AntiphonError:
    """The error that a peer meant by a status; ``peer`` names it in the message.

    Codes that the contract does not use come back as `Unavailable` when they are gRPC's own way of saying that
    nobody is there (``UNIMPLEMENTED`` from a wrong address, say), else as `EngineError`.
    """
    message = f"{peer}: {error.details() or error.code().name}"
    if (error.details() or "").startswith(_NOBODY_THERE):
        # gRPC's own words for it name sockets and balancers.
        message = f"{peer} cannot be reached; is it running?"
    details = _details(error)
    meant = _meant(error, message, details)
    info = error_details_pb2.ErrorInfo()
    meant.everywhere = any(d.Unpack(info) and info == _EVERYWHERE for d in details)
    return meant


def _meant(
    error: grpc.aio.AioRpcError, message: str, details: Iterable[any_pb2.Any]
) -> AntiphonError:
    """The error by its kind."""
    for detail in details:
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(bad) and bad.field_violations:
            return InvalidArgument(
                bad.field_violations[0].field, bad.field_violations[0].description
            )
        if detail.Unpack(retry):
            seconds = retry.retry_delay.ToNanoseconds() / 1e9
            quota = any(
                d.Is(error_details_pb2.QuotaFailure.DESCRIPTOR) for d in details
            )
            return TooMuch(message, seconds) if quota else Full(message, seconds)
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidArgument("", message)
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return Unavailable(f"{message} (is the address right?)")
    return _BY_CODE.get(error.code(), EngineError)(message)


def _details(error: grpc.aio.AioRpcError) -> Iterable[any_pb2.Any]:
    """What goes with a status; nothing where it goes with another one that gRPC put a status of its own over."""
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an AioRpcError has what it reads
    except (ValueError, DecodeError):
        return ()
    return status.details if status else ()


def _shorten(text: str, longest: int) -> str:
    """The start of a text, as long as gRPC can send it: what is not printable ASCII takes three bytes a byte."""
    length = 0
    for position, character in enumerate(text):
        plain = " " <= character <= "~" and character != "%"
        length += 1 if plain else 3 * len(character.encode("utf-8", "replace"))
        if length > longest:
            return f"{text[:position]}…"
    return text


def _retry(seconds: float) -> any_pb2.Any:
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(int(seconds * 1e9))
    return _pack(error_details_pb2.RetryInfo(retry_delay=delay))


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


__all__ = [
    "AntiphonError",
    "Cancelled",
    "DeadlineExceeded",
    "EngineError",
    "FailedPrecondition",
    "Full",
    "InvalidArgument",
    "PermissionDenied",
    "TooMuch",
    "Unauthenticated",
    "Unavailable",
    "from_rpc_error",
]
