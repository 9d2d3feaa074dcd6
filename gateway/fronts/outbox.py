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
        self._more = asyncio.Event()
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()

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
        self._more.set()

    async def next(self) -> Notice:
        """The next notice."""
        while not self._waiting:
            self._more.clear()
            await self._more.wait()
        return self._waiting.popleft()

    def fail(self, failure: BaseException) -> None:
        """The conversation cannot go on; the first reason given counts."""
        self._failure = self._failure or failure
        self._failed.set()

    async def failed(self) -> None:
        """Wait until the conversation cannot go on, also while a notice is stuck on its way out.

        Raises:
            BaseException: what `fail` was given.
        """
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure
