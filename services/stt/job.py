"""One utterance's way through the engine."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from services.runtime.errors import AntiphonError
from services.stt.engines import Transcript, Utterance

_MOST_BEGINNINGS = 4
"""Times that a partial is begun: then it runs to its end, or a busy engine would do nothing but begin them."""


class Work(Enum):
    """What a transcript is for; the value is the metrics' label."""

    PARTIAL = "partial"
    CHECKPOINT = "checkpoint"
    FINAL = "final"


class Dropped(Exception):
    """A job was cancelled before it had a transcript."""


class Job:
    """One utterance waiting for its transcript. Made by `Scheduler.submit`.

    Attributes:
        work: what it is for.
        urgent: whether somebody waits for it.
        started: whether the engine has it, or had it.
        making_way: whether the engine is to leave it at its next step; it is begun again.
        made_way: whether the engine was told so: what it makes of it now is worth nothing.
        queued: seconds it waited for a place in a batch.
        computed: seconds its batches took.
    """

    def __init__(
        self,
        work: Work,
        snapshot: Callable[[], Utterance],
        drop: Callable[["Job"], None],
    ) -> None:
        self.work = work
        self.urgent = work is not Work.PARTIAL
        self.started = False
        self.making_way = False
        self.made_way = False
        self.queued = 0.0
        self.computed = 0.0
        self._snapshot: Callable[[], Utterance] | None = snapshot
        self._utterance: Utterance | None = None
        self._beginnings = 0
        self._drop = drop
        self._asked = time.perf_counter()
        self._future: asyncio.Future[Transcript] = (
            asyncio.get_running_loop().create_future()
        )
        # A failure that came after its stream had gone is nobody's to hear.
        self._future.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )

    @property
    def usable(self) -> bool:
        """Whether there is a transcript, or there may still be one."""
        if not self._future.done():
            return True
        return not self._future.cancelled() and self._future.exception() is None

    async def result(self) -> Transcript:
        """The transcript. Any number of callers may wait; one that is cancelled takes nothing from the others.

        Raises:
            Dropped: it was cancelled.
            EngineError: the engine failed on it.
            Unavailable: the scheduler was stopped.
        """
        await asyncio.wait({self._future})
        if self._future.cancelled():
            raise Dropped
        return self._future.result()

    def cancel(self) -> None:
        """Nobody needs it any more. A running one ends within one step of the model."""
        if not self._future.done():
            self._future.cancel()
            self._drop(self)
            self._snapshot = self._utterance = None

    def start(self) -> Utterance:
        """Take the utterance: as it is now, or as it was when it was first taken."""
        self.started = True
        self.making_way = self.made_way = False
        self._beginnings += 1
        self.queued += time.perf_counter() - self._asked
        if self._snapshot is not None:
            self._utterance = replace(self._snapshot(), wanted=self._wanted)
            self._snapshot = None
        assert self._utterance is not None
        return self._utterance

    @property
    def may_make_way(self) -> bool:
        """Whether it may be left for what is urgent, and begun again."""
        return not self.urgent and self._beginnings < _MOST_BEGINNINGS

    def wait_again(self, computed: float) -> None:
        """Back into the queue, after a batch in which it got no transcript."""
        self.computed += computed
        self._asked = time.perf_counter()

    def finish(self, transcript: Transcript, computed: float) -> None:
        """Give the transcript to those who wait."""
        self._end(computed)
        if not self._future.done():
            self._future.set_result(transcript)

    def fail(self, error: AntiphonError, computed: float) -> None:
        """Tell those who wait that there will be no transcript."""
        self._end(computed)
        if not self._future.done():
            self._future.set_exception(error)

    def _wanted(self) -> bool:
        """What the engine is told, in its thread, when it asks whether to go on."""
        if self.making_way:
            self.made_way = True
        return not self.made_way and not self._future.cancelled()

    def _end(self, computed: float) -> None:
        self.computed += computed
        # The audio is not kept for as long as somebody remembers the job.
        self._snapshot = self._utterance = None
