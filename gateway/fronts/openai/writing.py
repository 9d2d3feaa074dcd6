"""Writing an answer piece by piece, to a client that takes it."""

import asyncio

from aiohttp import web

STUCK_SECONDS = 30.0
"""For a client to take what was written before; one that does not keeps a place that others wait for."""


async def write(
    request: web.Request, response: web.StreamResponse, piece: bytes
) -> None:
    """Send the next piece; the connection is cut, and with it the handler cancelled, where nobody takes it."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    late = asyncio.get_running_loop().call_later(STUCK_SECONDS, transport.abort)
    try:
        await response.write(piece)
    finally:
        late.cancel()
