"""One utterance's way through the engine."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from services.runtime.errors import AntiphonError
from services.runtime.telemetry import metrics, names
from services.runtime.telemetry.trail import Outcome, Trail
from services.stt.engines import Transcript, Utterance

STAGE = "stt"
"""Label of metrics."""

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
    """One utterance waiting for its transcript. Made by `Scheduler.submit`, in a task of the RPC that asks.

    Args:
        work: what it is for.
        rate: of the utterance's samples, in Hz.
        snapshot: gives the utterance when the engine is ready for it.
        drop: told that nobody needs the job any more.

    Attributes:
        work: what it is for.
        urgent: whether somebody waits for it.
        started: whether the engine has it, or had it.
        trail: where it is told what became of it.
        making_way: whether the engine is to leave it at its next step; it is begun again.
        made_way: whether the engine was told so: what it makes of it now is worth nothing.
        queued: seconds it waited for a place in a batch.
        computed: seconds its batches took.
    """

    def __init__(
        self,
        work: Work,
        rate: int,
        snapshot: Callable[[], Utterance],
        drop: Callable[["Job"], None],
    ) -> None:
        self.work = work
        self.trail = Trail()
        self.urgent = work is not Work.PARTIAL
        self.started = False
        self.making_way = False
        self.made_way = False
        self.queued = 0.0
        self.computed = 0.0
        self._snapshot: Callable[[], Utterance] | None = snapshot
        self._utterance: Utterance | None = None
        self._rate = rate
        self._seconds = 0.0
        # Jobs of the batch that it is in now; 0 while it waits, and when all is over.
        self._batch = 0
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
            self._give_up_waiting(None)
            self._snapshot = self._utterance = None

    def start(self, batch: int) -> Utterance:
        """Take the utterance: as it is now, or as it was when it was first taken.

        Args:
            batch: jobs that the engine is given at once.
        """
        self.started = True
        self.making_way = self.made_way = False
        self._batch = batch
        self._beginnings += 1
        waited = self._waited(None)
        metrics.QUEUE_WAIT.labels(STAGE, self.work.value).observe(
            waited, self.trail.exemplar
        )
        if self._snapshot is not None:
            self._utterance = replace(self._snapshot(), wanted=self._wanted)
            self._snapshot = None
        assert self._utterance is not None
        self._seconds = len(self._utterance.samples) / self._rate
        return self._utterance

    @property
    def may_make_way(self) -> bool:
        """Whether it may be left for what is urgent, and begun again."""
        return not self.urgent and self._beginnings < _MOST_BEGINNINGS

    def wait_again(self, computed: float, error: AntiphonError | None = None) -> None:
        """Back into the queue, after a batch in which it got no transcript.

        Args:
            computed: seconds that the batch took.
            error: that the batch ended with; None where the job made way.
        """
        if error is None:
            metrics.POSTPONED_PARTIALS.inc()
        self._computed(computed, Outcome.FAILED if error else Outcome.POSTPONED, error)
        self._asked = time.perf_counter()

    def finish(self, transcript: Transcript, computed: float) -> None:
        """Give the transcript to those who wait."""
        dropped = self._future.done()
        self._computed(computed, Outcome.DROPPED if dropped else Outcome.DONE)
        self._end()
        if not dropped:
            self._future.set_result(transcript)

    def fail(self, error: AntiphonError, computed: float = 0.0) -> None:
        """Tell those who wait that there will be no transcript."""
        if self._batch:
            self._computed(computed, Outcome.FAILED, error)
        else:
            self._give_up_waiting(error)
        self._end()
        if not self._future.done():
            self._future.set_exception(error)

    def _wanted(self) -> bool:
        """What the engine is told, in its thread, when it asks whether to go on."""
        if self.making_way:
            self.made_way = True
        return not self.made_way and not self._future.cancelled()

    def _waited(self, error: AntiphonError | None) -> float:
        """Tell of a wait that is over; returns its seconds."""
        waited = time.perf_counter() - self._asked
        self.queued += waited
        self.trail.add(names.QUEUE_SPAN, waited, {names.WORK: self.work.value}, error)
        return waited

    def _give_up_waiting(self, error: AntiphonError | None) -> None:
        # A partial that nobody waited for is dropped at every other word: no news to anybody.
        if self.urgent and not self._batch:
            self._waited(error)

    def _computed(
        self, seconds: float, outcome: Outcome, error: AntiphonError | None = None
    ) -> None:
        """Tell of a batch that is over."""
        self.computed += seconds
        attributes: dict[str, str | int | float] = {
            names.WORK: self.work.value,
            names.BATCH_SIZE: self._batch,
            names.AUDIO_SECONDS: self._seconds,
            names.COMPUTE_OUTCOME: outcome.value,
        }
        self.trail.add(names.COMPUTE_SPAN, seconds, attributes, error)
        if outcome is Outcome.DONE and self._seconds:
            metrics.REAL_TIME_FACTOR.labels(STAGE, self.work.value).observe(
                seconds / self._seconds, self.trail.exemplar
            )
        self._batch = 0

    def _end(self) -> None:
        # The audio is not kept for as long as somebody remembers the job.
        self._snapshot = self._utterance = None
