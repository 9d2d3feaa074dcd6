"""Notices on their way to a client, bounded: one that reads too slowly is let go before it costs the others."""

import asyncio
from collections import deque
from dataclasses import replace

from gateway.conversation.commands import Notice, TellText
from services.runtime.errors import TooMuch

CAPACITY = 1024
"""Notices; audio is let out in real time, so a client that reads at all stays far below."""


class Outbox:
    """A queue that joins pieces of text that nobody has read yet."""

    def __init__(self) -> None:
        self._waiting: deque[Notice] = deque()
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None

    def put(self, notice: Notice) -> None:
        """One more notice; never blocks."""
        last = self._waiting[-1] if self._waiting else None
        if (
            isinstance(notice, TellText)
            and isinstance(last, TellText)
            and notice.turn == last.turn
        ):
            self._waiting[-1] = replace(last, text=last.text + notice.text)
        elif len(self._waiting) < CAPACITY:
            self._waiting.append(notice)
        else:
            self.fail(
                TooMuch(
                    f"the client has not read {CAPACITY} messages; read them as they come"
                )
            )
        self._changed.set()

    def fail(self, failure: BaseException) -> None:
        """Have the reader get ``failure`` instead of more notices."""
        self._failure = self._failure or failure
        self._changed.set()

    async def next(self) -> Notice:
        """The next notice.

        Raises:
            BaseException: what `fail` was given.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if self._waiting:
                return self._waiting.popleft()
            self._changed.clear()
            await self._changed.wait()
