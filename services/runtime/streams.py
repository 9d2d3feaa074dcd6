"""Reading gRPC streams in the read/write style, with types."""

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
