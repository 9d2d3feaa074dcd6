"""Who is transcribed next: one engine, one worker thread, and what all streams ask of it.

Finals and checkpoints go before partials, whatever came first: somebody waits for an answer behind them. Partials that
run already make way for them at the model's next step, and are begun again. What nobody needs any more is thrown away
before it costs anything.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from services.runtime.errors import AntiphonError, EngineError, Unavailable
from services.runtime.logs import get_logger
from services.runtime.telemetry import metrics
from services.stt.engines import EngineLost, Recognizer, Transcript, Utterance
from services.stt.job import STAGE, Job, Work

log = get_logger(__name__)

_STOPPING = "this replica is shutting down; try another"
_LOST = "this replica has lost its engine; try another"


class Scheduler:
    """Runs an engine for all streams.

    Args:
        load: makes the engine; called in the worker thread.
        max_batch: utterances given to the engine at once; None takes what the engine gains from.
        lost: called when nothing will be transcribed any more.

    Attributes:
        engine: set by `start`.
        broken: nothing will be transcribed any more; whoever asks gets `Unavailable`.
    """

    engine: Recognizer

    def __init__(
        self,
        load: Callable[[], Recognizer],
        max_batch: int | None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.broken = False
        self._load = load
        self._max_batch = max_batch
        self._lost = lost
        self._urgent: deque[Job] = deque()
        self._partials: deque[Job] = deque()
        self._apart: deque[Job] = deque()
        self._running: list[Job] = []
        self._wake = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="stt-engine")
        self._worker: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return not (self._running or self._urgent or self._partials or self._apart)

    async def start(self) -> int | None:
        """Load the engine, warm it, and begin to work.

        Returns:
            Streams that it was measured to carry in real time; None where it was not measured.

        Raises:
            AntiphonError: the engine cannot be had, or does not work.
        """
        loop = asyncio.get_running_loop()
        try:
            self.engine = await loop.run_in_executor(self._executor, self._load)
            measured = await loop.run_in_executor(self._executor, self.engine.warm_up)
        except AntiphonError:
            raise
        except Exception as error:  # an engine's packages raise what they like
            log.exception("engine raised")
            raise EngineError(
                f"the engine does not start: {type(error).__name__}: {error}"
            ) from error
        self._worker = asyncio.create_task(self._work(), name="stt-scheduler")
        return measured

    async def stop(self) -> None:
        """End after the batch that is running; what still waits gets `Unavailable`."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait({self._worker})
        self._refuse(_STOPPING)
        await asyncio.to_thread(self._executor.shutdown)

    def submit(self, work: Work, snapshot: Callable[[], Utterance]) -> Job:
        """Ask for a transcript.

        Args:
            work: what it is for.
            snapshot: gives the utterance when the engine is ready for it, so that what had to wait is not out of date.
        """
        rate = self.engine.capabilities.sample_rate
        job = Job(work, rate, snapshot, self._dropped)
        if self.broken:
            job.fail(Unavailable(_LOST))
        elif job.urgent:
            self._let_in(job)
        else:
            self._partials.append(job)
        self._wake.set()
        return job

    def promote(self, job: Job) -> None:
        """Let a partial go with the finals, and not make way for them: somebody needs it now."""
        job.urgent = True
        if job in self._partials:
            self._partials.remove(job)
            self._let_in(job)
        elif job in self._running:
            # The engine goes on for this one, so it may as well for the others.
            for each in self._running:
                each.making_way = False

    def _let_in(self, job: Job) -> None:
        self._urgent.append(job)
        if all(each.may_make_way for each in self._running):
            for each in self._running:
                each.making_way = True

    def _refuse(self, reason: str) -> None:
        for queue in (self._urgent, self._partials, self._apart):
            while queue:
                queue.popleft().fail(Unavailable(reason))

    def _dropped(self, job: Job) -> None:
        if job in self._partials:
            self._partials.remove(job)
            metrics.DROPPED_PARTIALS.inc()
        elif job in self._urgent:
            self._urgent.remove(job)
        elif job in self._apart:
            self._apart.remove(job)

    def _next_batch(self) -> list[Job]:
        if self._apart:
            return [self._apart.popleft()]
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
            self._running = batch
            try:
                await self._run(batch)
            finally:
                self._running = []

    async def _run(self, batch: list[Job]) -> None:
        loop = asyncio.get_running_loop()
        utterances = [job.start(len(batch)) for job in batch]
        work = (
            Work.FINAL
            if any(job.work is Work.FINAL for job in batch)
            else batch[0].work
        ).value
        exemplar = next(filter(None, (job.trail.exemplar for job in batch)), None)
        metrics.BATCH_SIZE.labels(STAGE, work).observe(len(batch))
        started = time.perf_counter()
        failure: EngineError | None = None
        results: list[Transcript] = []
        try:
            results = await loop.run_in_executor(
                self._executor, self.engine.transcribe, utterances
            )
            if len(results) != len(batch):
                failure = EngineError(
                    f"{len(results)} transcripts of {len(batch)} utterances"
                )
        except asyncio.CancelledError:
            for job in batch:
                job.fail(Unavailable(_STOPPING), time.perf_counter() - started)
            raise
        except EngineLost:
            log.critical("the engine is lost", exc_info=True)
            self.broken = True
            for job in batch:
                job.fail(Unavailable(_LOST), time.perf_counter() - started)
            self._refuse(_LOST)
            self._lost()
            return
        except AntiphonError as error:
            failure = EngineError(error.message)
        except Exception as error:
            # An engine's packages raise what they like; one bad batch must not end the service.
            log.exception("engine raised")
            failure = EngineError(
                f"{type(error).__name__} in the engine; see this service's log"
            )
        computed = time.perf_counter() - started
        metrics.COMPUTE.labels(STAGE, work).observe(computed, exemplar)
        if failure is not None:
            log.error("batch failed", reason=failure.message, size=len(batch))
            self._failed(batch, failure, computed)
            return
        for job, result in zip(batch, results, strict=True):
            if job.made_way and job.usable:
                job.wait_again(computed)
                (self._urgent if job.urgent else self._partials).appendleft(job)
            else:
                job.finish(result, computed)

    def _failed(self, batch: list[Job], error: EngineError, computed: float) -> None:
        """One utterance that the engine cannot bear is not to cost the others theirs."""
        for job in batch:
            if len(batch) > 1 and job.usable:
                job.wait_again(computed, error)
                self._apart.append(job)
            else:
                job.fail(error, computed)
