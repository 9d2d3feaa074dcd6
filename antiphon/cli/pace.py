"""Sending a recording as if it were spoken now."""

import asyncio
from collections.abc import Awaitable, Callable


class Pace:
    """Real time, counted in audio: each wait ends when a microphone would have heard so much since the start.

    A late wait is made up for by the next ones, so that being late never adds up.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Start now.

        Args:
            clock: seconds, monotonic.
            sleep: waits for seconds.
        """
        self._clock = clock
        self._sleep = sleep
        self._start = clock()

    async def until(self, position: float) -> None:
        """Wait until ``position`` seconds of audio are due."""
        await self._sleep(max(0.0, self._start + position - self._clock()))
