"""What happens around every RPC of ours, whatever the service: admission, errors, trace, metrics, log context.

Handlers are written in gRPC's read/write style (``await context.read()``, ``await context.write(...)``): an
interceptor that iterates messages would cost time on each of them.
"""

# grpc's handler types are generic for type checkers only, not at run time.
from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from services.runtime.admission import Admission
from services.runtime.errors import (
    AntiphonError,
    Cancelled,
    EngineError,
    InvalidArgument,
)
from services.runtime.logs import get_logger
from services.runtime.telemetry import metrics, names, tracing

log = get_logger(__name__)

Behavior = Callable[[Any, Any], Awaitable[Any]]
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])

NO_ERRORS = (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)
"""How an RPC may end without anything having gone wrong: callers change their minds."""

_OUR_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""What makes a server's span an error, by OpenTelemetry's conventions for gRPC: not what the caller did wrong."""


def untraced(handler: Handler) -> Handler:
    """Mark a handler whose RPCs are no work of one turn: they get no span.

    What runs in them has the caller's context, if there is one.
    """
    handler.__dict__["untraced"] = True
    return handler


class ContractInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of ``antiphon.*`` services; leaves health and reflection alone."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler with everything around it."""
        handler = await continuation(details)
        method = str(details.method)
        if handler is None or not method.startswith("/antiphon."):
            return handler
        if handler.request_streaming and handler.response_streaming:
            behavior = self._around(
                cast(Behavior, handler.stream_stream), method, admit=True
            )
            make: Callable[..., grpc.RpcMethodHandler[Any, Any]] = (
                grpc.stream_stream_rpc_method_handler
            )
        elif handler.response_streaming:
            behavior = self._around(
                cast(Behavior, handler.unary_stream), method, admit=True
            )
            make = grpc.unary_stream_rpc_method_handler
        else:
            behavior = self._around(
                cast(Behavior, handler.unary_unary), method, admit=False
            )
            make = grpc.unary_unary_rpc_method_handler
        deserialize = (
            handler.request_deserializer
            if handler.request_streaming
            else _kept(handler.request_deserializer)
        )
        return make(behavior, deserialize, handler.response_serializer)

    def _around(self, behavior: Behavior, method: str, admit: bool) -> Behavior:
        name = method.rsplit("/", 1)[-1]
        leave_out = name == "Describe" or getattr(behavior, "untraced", False)
        around = _carried if leave_out else partial(_span, method.lstrip("/"))

        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = time.perf_counter()
            code = grpc.StatusCode.OK
            parent = tracing.extract(tuple(context.invocation_metadata() or ()))
            with around(parent) as span:
                try:
                    if isinstance(request, DecodeError):
                        raise request
                    with self._admission.stream() if admit else nullcontext():
                        return await behavior(request, context)
                except asyncio.CancelledError:
                    code = grpc.StatusCode.CANCELLED
                    raise
                except Cancelled:
                    code = grpc.StatusCode.CANCELLED
                except AntiphonError as error:
                    code = error.code
                    await _abort(context, error)
                except DecodeError:
                    code = grpc.StatusCode.INVALID_ARGUMENT
                    await _abort(
                        context,
                        InvalidArgument(
                            "", "the message is not what the contract says"
                        ),
                    )
                except grpc.aio.AbortError:
                    code = grpc.StatusCode.UNKNOWN
                    raise
                except Exception as error:
                    code = grpc.StatusCode.INTERNAL
                    log.exception("rpc failed", method=method)
                    await _abort(
                        context,
                        EngineError(
                            f"{type(error).__name__} in {method}; see this service's log"
                        ),
                    )
                finally:
                    _conclude(span, name, code, time.perf_counter() - started)

        return run


@contextmanager
def _span(method: str, parent: Context) -> Iterator[Span]:
    attributes: dict[str, str] = {names.RPC_SYSTEM: "grpc", names.RPC_METHOD: method}
    with tracing.tracer.start_as_current_span(
        method,
        parent,
        SpanKind.SERVER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


@contextmanager
def _carried(parent: Context) -> Iterator[Span]:
    with tracing.within(parent):
        yield INVALID_SPAN


def _conclude(span: Span, name: str, code: grpc.StatusCode, seconds: float) -> None:
    span.set_attribute(names.RPC_STATUS_CODE, code.name)
    if code in _OUR_FAULTS:
        tracing.fail(span, code.name)
    exemplar = tracing.exemplar(span)
    if code not in NO_ERRORS:
        metrics.ERRORS.labels(name, code.name).inc(exemplar=exemplar)
    metrics.RPC_DURATION.labels(name, code.name).observe(seconds, exemplar)


def _kept(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """Gives the handler what is wrong with a single request, which gRPC would report without asking it."""

    def run(serialized: bytes) -> Any:
        try:
            return deserialize(serialized) if deserialize else serialized
        except DecodeError as error:
            return error

    return run


async def _abort(
    context: grpc.aio.ServicerContext[Any, Any], error: AntiphonError
) -> None:
    await context.abort_with_status(rpc_status.to_status(error.to_status()))
