"""Reading and writing gRPC streams, with types and without half messages."""

import asyncio
from typing import Any, TypeVar, cast, overload

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without hints

from services.runtime.errors import Cancelled, DeadlineExceeded

FIRST_MESSAGE_SECONDS = 10.0
"""A stream that says nothing for longer would keep others out."""

Message = TypeVar("Message")


@overload
async def read(stream: "grpc.aio.StreamStreamCall[Any, Message]") -> Message | None: ...
@overload
async def read(stream: "grpc.aio.UnaryStreamCall[Any, Message]") -> Message | None: ...
@overload
async def read(stream: "grpc.aio.ServicerContext[Message, Any]") -> Message | None: ...
async def read(stream: Any) -> Any:
    """The next message of a client's call or of a server's context; None at its end."""
    message = await stream.read()
    return None if message is grpc.aio.EOF else message


async def first(
    context: "grpc.aio.ServicerContext[Message, Any]",
    seconds: float = FIRST_MESSAGE_SECONDS,
) -> Message | None:
    """The first message of a stream, which is its config; None if there is none.

    Args:
        context: the server's.
        seconds: to wait for it.

    Raises:
        DeadlineExceeded: it did not come in time.
    """
    try:
        async with asyncio.timeout(seconds):
            return await read(context)
    except TimeoutError:
        raise DeadlineExceeded(f"config: did not come within {seconds:g} s") from None


async def write(
    context: "grpc.aio.ServicerContext[Any, Message]", message: Message
) -> None:
    """Write a message to its end, also when the writer is cancelled meanwhile.

    A status that is sent into a half-written message never reaches the caller, who would wait for ever.

    Raises:
        Cancelled: the caller is gone.
    """
    writing = asyncio.ensure_future(context.write(message))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.gather(writing, return_exceptions=True)
        raise
    except cygrpc.InternalError:
        raise Cancelled("the caller is gone") from None


async def send(
    call: "grpc.aio.StreamStreamCall[Message, Any]", message: Message
) -> bool:
    """Send a client's message; returns whether the call still goes on. If not, reading it tells why.

    Goes by way of grpc's inner call: where a send fails, the public one replaces the status that the server gave by
    an INTERNAL of its own.
    """
    await call.wait_for_connection()
    if call.done():
        return False
    serialized = cast(Any, message).SerializeToString()
    try:
        await cast(Any, call)._cython_call.send_serialized_message(serialized)
    except cygrpc.InternalError:
        return False
    return True
