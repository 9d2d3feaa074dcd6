"""Messages of a data channel that never end."""

from collections.abc import Callable
from typing import Any

from aiortc import RTCSctpTransport

from services.runtime.errors import TooMuch

MOST_AHEAD = 256 * 1024
"""Bytes that a client may be ahead of what it was told that there is room for; what is under way at that moment is far less."""

_RECEIVE = "_receive_data_chunk"
_ROOM = "_advertised_rwnd"


def bound(transport: RTCSctpTransport, give_up: Callable[[TooMuch], None]) -> None:
    """Take no more of a client's messages than there is room for.

    aiortc says how much room there is (1 MiB), and keeps whatever comes all the same: pieces of a message without an end fill
    the memory, and each piece costs a look at all that came before. It has no way to be told otherwise.

    Args:
        transport: that takes them.
        give_up: is told of a client that sends more.
    """
    if not hasattr(transport, _RECEIVE) or not hasattr(transport, _ROOM):
        raise RuntimeError("this aiortc keeps its messages elsewhere")
    receive = getattr(transport, _RECEIVE)

    async def take(chunk: Any) -> None:
        if getattr(transport, _ROOM) < -MOST_AHEAD:
            give_up(TooMuch("the client sends a message that is too large"))
        else:
            await receive(chunk)

    setattr(transport, _RECEIVE, take)
