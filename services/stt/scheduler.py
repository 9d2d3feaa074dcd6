"""Who is transcribed next: one engine, one worker thread, and what all streams ask of it.

Finals and checkpoints go before partials, whatever came first: somebody waits for an answer behind them. What nobody
needs any more is thrown away before it costs anything.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum

from services.runtime import metrics
from services.runtime.errors import AntiphonError, EngineError, Unavailable
from services.runtime.logs import get_logger
from services.stt.engines import Recognizer, Transcript, Utterance

log = get_logger(__name__)

_STAGE = "stt"
_STOPPING = "this replica is shutting down; try another"


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
        started: whether the engine has it, or had it.
        queued: seconds it waited for a place in a batch.
        computed: seconds its batch took.
    """

    def __init__(
        self,
        work: Work,
        snapshot: Callable[[], Utterance],
        drop: Callable[["Job"], None],
    ) -> None:
        self.work = work
        self.started = False
        self.queued = 0.0
        self.computed = 0.0
        self._snapshot: Callable[[], Utterance] | None = snapshot
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
            self._snapshot = None

    def start(self) -> Utterance:
        """Take the utterance as it is now."""
        self.started = True
        self.queued = time.perf_counter() - self._asked
        assert self._snapshot is not None
        utterance = replace(self._snapshot(), wanted=lambda: self.wanted)
        # The audio is not kept for as long as somebody remembers the job.
        self._snapshot = None
        return utterance

    def finish(self, transcript: Transcript, computed: float) -> None:
        """Give the transcript to those who wait."""
        self.computed = computed
        if not self._future.done():
            self._future.set_result(transcript)

    def fail(self, error: AntiphonError, computed: float) -> None:
        """Tell those who wait that there will be no transcript."""
        self.computed = computed
        if not self._future.done():
            self._future.set_exception(error)

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits for it. Safe to read from any thread."""
        return not self._future.cancelled()


class Scheduler:
    """Runs an engine for all streams.

    Args:
        load: makes the engine; called in the worker thread.
        max_batch: utterances given to the engine at once; None takes what the engine gains from.

    Attributes:
        engine: set by `start`.
    """

    engine: Recognizer

    def __init__(self, load: Callable[[], Recognizer], max_batch: int | None) -> None:
        self._load = load
        self._max_batch = max_batch
        self._urgent: deque[Job] = deque()
        self._partials: deque[Job] = deque()
        self._running = False
        self._wake = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="stt-engine")
        self._worker: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return not self._running and not self._urgent and not self._partials

    async def start(self) -> None:
        """Load the engine, warm it, and begin to work.

        Raises:
            AntiphonError: the engine cannot be had, or does not work.
        """
        loop = asyncio.get_running_loop()
        self.engine = await loop.run_in_executor(self._executor, self._load)
        await loop.run_in_executor(self._executor, self.engine.warm_up)
        self._worker = asyncio.create_task(self._work(), name="stt-scheduler")

    async def stop(self) -> None:
        """End after the batch that is running; what still waits gets `Unavailable`."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker})
        for job in (*self._urgent, *self._partials):
            job.fail(Unavailable(_STOPPING), 0.0)
        await asyncio.to_thread(self._executor.shutdown)

    def submit(self, work: Work, snapshot: Callable[[], Utterance]) -> Job:
        """Ask for a transcript.

        Args:
            work: what it is for.
            snapshot: gives the utterance when the engine is ready for it, so that what had to wait is not out of date.
        """
        job = Job(work, snapshot, self._dropped)
        (self._partials if work is Work.PARTIAL else self._urgent).append(job)
        self._wake.set()
        return job

    def promote(self, job: Job) -> None:
        """Let a partial that waits go with the finals: somebody needs it now."""
        if job in self._partials:
            self._partials.remove(job)
            self._urgent.append(job)

    def _dropped(self, job: Job) -> None:
        if job in self._partials:
            self._partials.remove(job)
            metrics.DROPPED_PARTIALS.inc()
        elif job in self._urgent:
            self._urgent.remove(job)

    def _next_batch(self) -> list[Job]:
        # Partials never fill up a batch of finals: on a CPU each of them would make the finals wait longer.
        waiting = self._urgent or self._partials
        size = self._max_batch or self.engine.capabilities.batch
        return [waiting.popleft() for _ in range(min(size, len(waiting)))]

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            batch = self._next_batch()
            if not batch:
                self._wake.clear()
                continue
            self._running = True
            try:
                await self._run(batch)
            finally:
                self._running = False

    async def _run(self, batch: list[Job]) -> None:
        loop = asyncio.get_running_loop()
        utterances = [job.start() for job in batch]
        for job in batch:
            metrics.QUEUE_WAIT.labels(_STAGE, job.work.value).observe(job.queued)
        work = (
            Work.FINAL
            if any(job.work is Work.FINAL for job in batch)
            else batch[0].work
        )
        metrics.BATCH_SIZE.labels(_STAGE, work.value).observe(len(batch))
        started = time.perf_counter()
        failure: str | None = None
        results: list[Transcript] = []
        try:
            results = await loop.run_in_executor(
                self._executor, self.engine.transcribe, utterances
            )
            if len(results) != len(batch):
                failure = f"{len(results)} transcripts of {len(batch)} utterances"
        except asyncio.CancelledError:
            for job in batch:
                job.fail(Unavailable(_STOPPING), 0.0)
            raise
        except AntiphonError as error:
            failure = error.message
        except Exception as error:
            # An engine's packages raise what they like; one bad batch must not end the service.
            log.exception("engine raised")
            failure = f"{type(error).__name__} in the engine; see this service's log"
        computed = time.perf_counter() - started
        metrics.COMPUTE.labels(_STAGE, work.value).observe(computed)
        if failure is not None:
            log.error("batch failed", reason=failure, size=len(batch))
            for job in batch:
                job.fail(EngineError(failure), computed)
            return
        for job, result in zip(batch, results, strict=True):
            job.finish(result, computed)
