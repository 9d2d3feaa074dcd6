"""An event loop whose clock runs faster while it has nothing to do.

Waiting is sped up; working is not. While the loop runs callbacks, or a thread works for it (a model), its clock goes
as fast as the wall's: what is computed takes as long as it does. So a machine that is too slow for the speed asked
for shows as a lower speed, not as a gateway that is late. Only messages between sockets of this process, a
millisecond or so each, are seen as slower than they are.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Ts = TypeVarTuple("Ts")


class FastLoop(asyncio.SelectorEventLoop):
    """All of asyncio's waiting takes a fraction of its time.

    Args:
        speed: how many times as fast as the wall the clock goes while nothing is to be done; at least 1.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._ahead = 0.0
        self._jobs = 0
        super().__init__(_Selector(self._wait))

    def time(self) -> float:
        """Seconds on this loop's clock."""
        return time.monotonic() + self._ahead

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], Result], *args: *Ts
    ) -> asyncio.Future[Result]:
        """As ever; meanwhile the clock goes as fast as the wall's."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._done)
        return future

    @contextmanager
    def working(self) -> Iterator[None]:
        """While somebody works for the loop in a way that it cannot see."""
        self._jobs += 1
        try:
            yield
        finally:
            self._jobs -= 1

    def _done(self, _future: asyncio.Future[Any]) -> None:
        self._jobs -= 1

    def _wait(
        self, select: Callable[[float | None], list[Any]], timeout: float | None
    ) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return select(timeout)
        speed = 1.0 if self._jobs else self._speed
        began = time.monotonic()
        ready = select(None if timeout is None else timeout / speed)
        waited = time.monotonic() - began
        passed = waited * speed
        if timeout is not None and (passed > timeout or not ready):
            # A selector oversleeps by up to a millisecond, which would count as many.
            passed = timeout
        self._ahead += passed - waited
        return ready


class _Selector(selectors.DefaultSelector):
    """Waits as it is told to."""

    def __init__(
        self,
        wait: Callable[[Callable[[float | None], list[Any]], float | None], list[Any]],
    ) -> None:
        super().__init__()
        self._wait = wait

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        return self._wait(super().select, timeout)
