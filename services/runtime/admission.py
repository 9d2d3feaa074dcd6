"""Admission: a replica knows how many streams it carries in real time and refuses the next one at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.errors import Full, Unavailable
from services.runtime.logs import get_logger
from services.runtime.telemetry import metrics

log = get_logger(__name__)


class Admission:
    """Counts the streams of one process.

    Args:
        capacity: streams carried at once; None until the service has found out and sets it.

    Attributes:
        open: streams open now.
        draining: no new stream is let in.
    """

    def __init__(self, capacity: int | None) -> None:
        self.open = 0
        self.draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._capacity = capacity
        metrics.STREAMS_CAPACITY.set(self.capacity)

    @property
    def capacity(self) -> int:
        """Streams carried at once; 0 while nobody knows."""
        return self._capacity or 0

    @capacity.setter
    def capacity(self, streams: int) -> None:
        self._capacity = streams
        metrics.STREAMS_CAPACITY.set(streams)

    def settle(self, wanted: int | None, measured: int | None, unmeasured: int) -> None:
        """Carry what the operator wants, else what the engine was measured to.

        Args:
            wanted: the operator's number, if there is one.
            measured: streams that the engine keeps up with, if it was measured; 0: not even one.
            unmeasured: for engines that were not.
        """
        if measured == 0:
            log.warning("the engine is slower than real time, with one stream already")
        elif wanted and measured and wanted > measured:
            log.warning(
                "more streams are allowed than were measured to be carried in real time",
                max_streams=wanted,
                measured=measured,
            )
        self.capacity = wanted or (unmeasured if measured is None else max(1, measured))
        log.info("capacity", streams=self.capacity, measured=measured)

    def drain(self) -> None:
        """Refuse every new stream from now on."""
        self.draining = True

    async def idle(self) -> None:
        """Wait until no stream is open."""
        await self._idle.wait()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Hold a place for one stream.

        Raises:
            Full: no place is free.
            Unavailable: the process is draining, or does not know its capacity yet.
        """
        if self.draining:
            raise Unavailable("this replica is shutting down; try another")
        if self._capacity is None:
            raise Unavailable("this replica is still loading its model; try another")
        if self.open >= self.capacity:
            metrics.STREAMS_REFUSED.inc()
            raise Full(
                f"all {self.capacity} streams of this replica are in use; try another, or this one later"
            )
        self.open += 1
        self._idle.clear()
        metrics.STREAMS_OPEN.set(self.open)
        try:
            yield
        finally:
            self.open -= 1
            metrics.STREAMS_OPEN.set(self.open)
            if not self.open:
                self._idle.set()
