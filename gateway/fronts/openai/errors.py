"""Errors as OpenAI's clients know them: an HTTP status, and ``{"error": {"message", "type", "param", "code"}}``.

========================  ======  =========================  ======================
`AntiphonError`           status  type                       code
========================  ======  =========================  ======================
`InvalidArgument`         400     ``invalid_request_error``  ``invalid_value``
UNAUTHENTICATED           401     ``authentication_error``   ``invalid_api_key``
PERMISSION_DENIED         403     ``permission_error``       ``permission_denied``
`NotFound`                404     ``invalid_request_error``  its own
`TooMuch`                 413     ``invalid_request_error``  ``request_too_large``
`TooMuch`, for a while    429     ``rate_limit_error``       ``rate_limit_exceeded``
`EngineError`             500     ``server_error``           ``engine_failed``
`FailedPrecondition`      500     ``server_error``           ``not_configured``
`Full`                    503     ``server_error``           ``overloaded``
`Unavailable`             503     ``server_error``           ``unavailable``
`DeadlineExceeded`        504     ``server_error``           ``timeout``
========================  ======  =========================  ======================

Where an error says after which time to try again, ``Retry-After`` does too.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from aiohttp import web
from aiohttp.http import HttpProcessingError
from google.rpc import error_details_pb2

from services.runtime.errors import AntiphonError, EngineError, Full, InvalidArgument
from services.runtime.logs import get_logger

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_INVALID = "invalid_request_error"
_SERVER = "server_error"

_LONGEST_PROBLEM = 200
"""Characters of what aiohttp says about a body."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How an error looks over HTTP.

    Attributes:
        status: of HTTP.
        type: OpenAI's kind of error.
        code: what happened, for a program.
    """

    status: int
    type: str
    code: str


SHAPES = {
    grpc.StatusCode.INVALID_ARGUMENT: Shape(400, _INVALID, "invalid_value"),
    grpc.StatusCode.UNAUTHENTICATED: Shape(
        401, "authentication_error", "invalid_api_key"
    ),
    grpc.StatusCode.PERMISSION_DENIED: Shape(
        403, "permission_error", "permission_denied"
    ),
    grpc.StatusCode.NOT_FOUND: Shape(404, _INVALID, "not_found"),
    grpc.StatusCode.CANCELLED: Shape(499, _SERVER, "cancelled"),
    grpc.StatusCode.INTERNAL: Shape(500, _SERVER, "engine_failed"),
    grpc.StatusCode.FAILED_PRECONDITION: Shape(500, _SERVER, "not_configured"),
    grpc.StatusCode.UNAVAILABLE: Shape(503, _SERVER, "unavailable"),
    grpc.StatusCode.DEADLINE_EXCEEDED: Shape(504, _SERVER, "timeout"),
}
_OVERLOADED = Shape(503, _SERVER, "overloaded")
_TOO_OFTEN = Shape(429, "rate_limit_error", "rate_limit_exceeded")
_TOO_LARGE = Shape(413, _INVALID, "request_too_large")
OF_EXHAUSTION = (_OVERLOADED, _TOO_OFTEN, _TOO_LARGE)
"""What RESOURCE_EXHAUSTED may be."""

_UNKNOWN = Shape(500, _SERVER, "internal")

_STAGES_WORDS = ("config.", "sampling.")
"""What the stages' contract puts before a field that has the same name here."""


class NotFound(AntiphonError):
    """There is nothing of the name that was asked for.

    Args:
        param: the field that named it; empty for the address.
        message: what there is instead.
        reason: for a program, such as ``model_not_found``.
    """

    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, param: str, message: str, reason: str = "not_found") -> None:
        super().__init__(message)
        self.param = param
        self.reason = reason


def shape(error: AntiphonError) -> Shape:
    """How an error looks over HTTP."""
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        if isinstance(error, Full):
            return _OVERLOADED
        return _TOO_LARGE if retry_after(error) is None else _TOO_OFTEN
    known = SHAPES.get(error.code, _UNKNOWN)
    if isinstance(error, NotFound):
        return Shape(known.status, known.type, error.reason)
    return known


def retry_after(error: AntiphonError) -> float | None:
    """Seconds after which to try again; None where the error does not say."""
    retry = error_details_pb2.RetryInfo()
    if any(detail.Unpack(retry) for detail in error.details()):
        seconds: float = retry.retry_delay.ToNanoseconds() / 1e9
        return seconds
    return None


def body(error: AntiphonError) -> dict[str, Any]:
    """The JSON object that tells an error."""
    looks = shape(error)
    message, param = error.message, None
    if isinstance(error, InvalidArgument):
        param = error.field or None
        for word in _STAGES_WORDS:
            param = param.removeprefix(word) if param else None
        message = f"{param}: {error.problem}" if param else error.problem
    elif isinstance(error, NotFound):
        param = error.param or None
    return _body(message, looks, param)


def to_response(error: AntiphonError) -> web.Response:
    """The whole answer to a request that failed before anything of its answer was sent."""
    seconds = retry_after(error)
    headers = {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}
    return web.json_response(body(error), status=shape(error).status, headers=headers)


def of_http(error: web.HTTPException, asked: str) -> web.Response:
    """What aiohttp refused by itself (404, 405, 413), in the same shape.

    Args:
        error: as it was raised.
        asked: method and path.
    """
    kind = _INVALID if error.status < 500 else _SERVER
    code = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
    looks = Shape(error.status, kind, code.get(error.status, "invalid_request"))
    kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    match error:
        case web.HTTPNotFound():
            message = f"there is nothing at {asked}; /docs lists what there is"
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            message = f"{asked}: the method may be {allowed}"
        case _:
            message = error.text or error.reason
    return web.json_response(
        _body(message, looks, None), status=error.status, headers=kept
    )


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers with a JSON error where a handler raises one.

    A handler that has begun its answer ends it itself: a second one would be read as a part of the first.
    """
    try:
        return await handler(request)
    except AntiphonError as error:
        return to_response(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return of_http(error, f"{request.method} {request.path}")
    except ConnectionError:
        # The client is gone; nobody reads this, and it is no fault of ours.
        return web.Response(status=499)
    except (HttpProcessingError, web.RequestPayloadError) as error:
        # A head of a form's part, or a compressed body, that is none.
        return to_response(
            InvalidArgument("", f"the body cannot be read: {_in_short(error)}")
        )
    except Exception as error:
        log.exception("request failed", path=request.path)
        return to_response(
            EngineError(f"{type(error).__name__} in the gateway; see its log")
        )


def _in_short(error: Exception) -> str:
    """What aiohttp says, which may quote much of what came, on one line."""
    said = error.message if isinstance(error, HttpProcessingError) else str(error)
    return " ".join(said.split())[:_LONGEST_PROBLEM]


def _body(message: str, looks: Shape, param: str | None) -> dict[str, Any]:
    return {
        "error": {
            "message": message,
            "type": looks.type,
            "param": param,
            "code": looks.code,
        }
    }
