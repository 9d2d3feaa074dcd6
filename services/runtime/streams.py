"""Reading and writing gRPC streams, with types and without half messages."""

import asyncio
from typing import Any, TypeVar, overload

import grpc

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


async def write(
    context: "grpc.aio.ServicerContext[Any, Message]", message: Message
) -> None:
    """Write a message to its end, also when the writer is cancelled meanwhile.

    A status that is sent into a half-written message never reaches the caller, who would wait for ever.
    """
    writing = asyncio.ensure_future(context.write(message))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise
