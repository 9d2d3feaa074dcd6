"""The way to one stage: its channel, opened anew where nobody is reached.

A channel asks for a name's addresses again when a connection to one of them ends. Where the name has none, as before the
first replica of a stage is there, gRPC asks less and less often, up to every two minutes. A new channel asks at once.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import grpc

from services.runtime.channel import open_channel
from services.runtime.logs import get_logger

log = get_logger(__name__)

Stub = TypeVar("Stub")

RENEW_SECONDS = 2.0
"""From one channel to the next, at least: it has had time to find somebody then, and the name server is not asked too often."""

LAST_CALLS_SECONDS = 600.0
"""For calls that go on where all others fail, on a connection to a replica that leaves: as long as the longest."""


class Line(Generic[Stub]):
    """A channel to all replicas of a stage.

    Args:
        name: of the stage.
        target: where its replicas are.
        make_stub: makes a stub of a channel.

    Attributes:
        stub: of the stage; stays the same when the channel does not.
    """

    def __init__(
        self, name: str, target: str, make_stub: Callable[[grpc.aio.Channel], Any]
    ) -> None:
        self._name = name
        self._target = target
        self._make_stub = make_stub
        self._closing: set[asyncio.Task[None]] = set()
        self._open()
        self.stub = cast(Stub, _Current(self))

    def channel(self) -> grpc.aio.Channel:
        """The channel to call over now; a new one where the last reaches nobody."""
        failing = (
            self._channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE
        )
        if failing and time.monotonic() - self._opened_at >= RENEW_SECONDS:
            self._renew()
        return self._channel

    def method(self, name: str) -> Any:
        """One of the stub's methods, over the channel to call over now."""
        self.channel()
        return getattr(self._made, name)

    async def close(self) -> None:
        """Close it, and cancel its calls; those over a channel of before are not waited for any longer."""
        await self._channel.close()
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _open(self) -> None:
        self._opened_at = time.monotonic()
        self._channel = open_channel(self._target)
        self._made = self._make_stub(self._channel)

    def _renew(self) -> None:
        log.debug("a stage is looked for anew", stage=self._name, target=self._target)
        task = asyncio.create_task(self._channel.close(LAST_CALLS_SECONDS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._open()


class _Current:
    """A stub whose methods are those of a line's latest channel."""

    def __init__(self, line: Line[Any]) -> None:
        self._line = line

    def __getattr__(self, name: str) -> Any:
        return self._line.method(name)
