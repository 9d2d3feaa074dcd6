"""Calling a stage by hand."""

import asyncio
from collections.abc import Iterable
from typing import Any

from services.runtime.streams import read, send


async def exchange(call: Any, requests: Iterable[Any]) -> list[Any]:
    """Send everything, half-close, and return what comes back.

    A status that comes before all is sent is the call's; grpc's own iterators may put another in its place.
    """
    sending = asyncio.create_task(_send(call, requests))
    told = []
    try:
        while (response := await read(call)) is not None:
            told.append(response)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return told


async def _send(call: Any, requests: Iterable[Any]) -> None:
    for request in requests:
        if not await send(call, request):
            return
    await call.done_writing()
