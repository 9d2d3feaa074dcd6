"""Who speaks next: one worker thread, one step of a batch of lines at a time, the most urgent in front.

Everything that the engine does, once it is loaded, happens on that thread. Before each step anything may go first: the
first clause of any reply before the rest of any other, then whoever's listener is closest to running out of audio. Where
more lines wait than a step takes, the least urgent keep their place and go on later.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from services.runtime.errors import AntiphonError, EngineError, Unavailable
from services.runtime.logs import get_logger
from services.runtime.telemetry import metrics
from services.runtime.telemetry.trail import Outcome
from services.tts.engines import (
    BatchEngine,
    Capabilities,
    EngineLost,
    Line,
    Piece,
    Said,
    Speech,
)
from services.tts.record import Record, observe_step

log = get_logger(__name__)


class Reply:
    """One stream's place in the schedule.

    Attributes:
        queued: seconds that its lines waited for a place in a step.
        computed: seconds of the steps that they took part in.
    """

    def __init__(self) -> None:
        self.queued = 0.0
        self.computed = 0.0
        self._synthesized = 0.0
        self._written = 0.0
        self._runs_out: float | None = None

    def _ahead(self) -> float:
        """Seconds synthesized and not yet written to the client."""
        return self._synthesized - self._written


class Saying:
    """One line being said. Made by `Scheduler.say`; close it, finished or not."""

    def __init__(
        self, scheduler: "Scheduler", reply: Reply, line: Line, ready: float
    ) -> None:
        self._scheduler = scheduler
        self._loop = asyncio.get_running_loop()
        # Holds no more than what the scheduler lets a reply be ahead.
        self._said: asyncio.Queue[Piece | AntiphonError | None] = asyncio.Queue()
        self._reply = reply
        self._line = line
        self._speech: Speech | None = None
        self._first = reply._runs_out is None
        self._ready = ready
        self._record = Record(self._first, ready)
        self._last_step: int | None = None
        self._closed = False

    async def next(self) -> Piece | None:
        """The next piece; None after the last.

        Raises:
            EngineError: the engine failed on this line.
            Unavailable: it will say nothing any more.
        """
        said = await self._said.get()
        if isinstance(said, AntiphonError):
            raise said
        return said

    def close(self) -> None:
        """Say no more of it; the step that runs now is the last."""
        self._scheduler._close(self)

    def _deliver(self, said: Piece | AntiphonError | None) -> None:
        self._loop.call_soon_threadsafe(self._said.put_nowait, said)

    def _urgency(self, now: float) -> tuple[int, float, float]:
        """Sorts before what is less urgent."""
        runs_out = self._reply._runs_out
        if runs_out is None:
            return (0, float("-inf"), self._ready)
        return (0 if self._first else 1, runs_out - now, self._ready)


class Scheduler:
    """Gives the engine's time to replies, step by step.

    Attributes:
        broken: nothing will be said any more.
    """

    def __init__(
        self,
        engine: BatchEngine,
        name: str,
        max_ahead_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        lost: Callable[[], object] = lambda: None,
    ) -> None:
        """Make a scheduler; `warm_up` and `start` it.

        Args:
            engine: whose time is given.
            name: of the engine, for metrics.
            max_ahead_seconds: a reply that has this much synthesized and not written waits.
            clock: seconds that only rise.
            lost: called on the worker thread when nothing will be said any more.
        """
        self._engine = engine
        self._name = name
        self._max_ahead = max_ahead_seconds
        self._clock = clock
        self._lost = lost
        self._changed = threading.Condition()
        self._sayings: list[Saying] = []
        self._steps = 0
        self._stopping = False
        self.broken = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="tts-engine")

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._engine.capabilities

    async def warm_up(self) -> int | None:
        """Let the engine run every step once, before `start`.

        Returns:
            Lines that it was measured to speak in real time at once; None where it was not measured.

        Raises:
            EngineError: the model does not work.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._engine.warm_up)

    def start(self) -> None:
        """Begin to work."""
        self._worker.submit(self._work).add_done_callback(self._report)

    async def stop(self) -> None:
        """Stop after the running step, and free the engine."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._worker.shutdown)
        self._engine.close()

    def say(self, reply: Reply, line: Line) -> Saying:
        """Put the next line of a reply on the schedule, when the line before has been said."""
        saying = Saying(self, reply, line, self._clock())
        with self._changed:
            if self.broken:
                saying._deliver(lost())
            self._sayings.append(saying)
            self._changed.notify()
        return saying

    def wrote(self, reply: Reply, seconds: float) -> None:
        """Tell that the client has taken this much of a reply's audio."""
        with self._changed:
            waited = reply._ahead() >= self._max_ahead
            reply._written += seconds
            if waited and reply._ahead() < self._max_ahead:
                for saying in self._sayings:
                    if saying._reply is reply:
                        saying._ready = self._clock()
                self._changed.notify()

    def _close(self, saying: Saying) -> None:
        with self._changed:
            saying._closed = True
            self._changed.notify()

    def _work(self) -> None:
        while (chosen := self._choose()) is not None:
            closed, batch = chosen
            for saying in closed:
                self._forget(saying)
            batch = [saying for saying in batch if self._begun(saying)]
            if batch:
                self._step(batch)
        for saying in tuple(self._sayings):
            self._forget(saying)

    def _choose(self) -> tuple[list[Saying], list[Saying]] | None:
        """Wait for something to do: what to forget, and what to step, most urgent first. None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                closed = [saying for saying in self._sayings if saying._closed]
                able = [
                    saying
                    for saying in self._sayings
                    if not saying._closed and saying._reply._ahead() < self._max_ahead
                ]
                now = self._clock()
                able.sort(key=lambda saying: saying._urgency(now))
                batch = self._fitting(able)
                if closed or batch:
                    return closed, batch
                self._changed.wait()
            return None

    def _fitting(self, able: Sequence[Saying]) -> list[Saying]:
        """Those at the front that a step takes, and of new ones no more than the engine can have open."""
        can, begun = self.capabilities, 0
        for saying in self._sayings:
            begun += saying._speech is not None and not saying._closed
        batch: list[Saying] = []
        for saying in able:
            if saying._speech is None:
                if begun == can.open:
                    continue
                begun += 1
            batch.append(saying)
        return batch[: can.batch]

    def _begun(self, saying: Saying) -> bool:
        """Whether the engine has taken the line on, now or before."""
        if saying._speech is None:
            with self._failing([saying]):
                saying._speech = self._engine.begin(saying._line)
        return saying._speech is not None

    def _step(self, batch: Sequence[Saying]) -> None:
        began = self._clock()
        self._steps += 1
        going = {id(saying._speech): saying for saying in batch}
        speeches = [saying._speech for saying in batch if saying._speech is not None]
        for saying in batch:
            saying._reply.queued += began - saying._ready
            saying._record.enter(began, len(batch))
        worked = 0
        with self._failing(batch):
            for said in self._engine.step(speeches):
                saying = going[id(said.speech)]
                # A step that only finds out that the line has ended is no work.
                if said.error is None and (said.piece or not said.finished):
                    worked += 1
                    # From step to step nobody waits; for the first, or after others went first, they do.
                    if saying._last_step != self._steps - 1:
                        saying._record.waited(max(0.0, began - saying._ready))
                self._take(saying, said)
        ended = self._clock()
        for saying in batch:
            saying._reply.computed += saying._record.leave(ended)
            saying._ready = ended
            saying._last_step = self._steps
        observe_step([saying._record for saying in batch], worked, ended - began)

    def _take(self, saying: Saying, said: Said) -> None:
        """Hand on what a step has brought."""
        if said.error is not None:
            log.error("engine failed", engine=self._name, reason=said.error.message)
            self._end(saying, said.error)
            return
        if said.piece is not None:
            now, reply = self._clock(), saying._reply
            seconds = len(said.piece.samples) / self.capabilities.sample_rate
            metrics.SPOKEN_AUDIO.labels(self._name).inc(seconds)
            saying._record.made(seconds)
            with self._changed:
                reply._synthesized += seconds
                reply._runs_out = max(reply._runs_out or now, now) + seconds
            saying._deliver(said.piece)
        if said.finished:
            self._end(saying, None)

    @contextmanager
    def _failing(self, sayings: Iterable[Saying]) -> Iterator[None]:
        """Whatever a model raises is the failure of these lines, as far as they have not ended, and of no others."""
        try:
            yield
            return
        except EngineLost:
            raise
        except AntiphonError as error:
            log.error("engine failed", engine=self._name, reason=error.message)
            told = error
        except Exception as error:
            log.exception("engine failed", engine=self._name)
            told = EngineError(f"{type(error).__name__} in engine {self._name}")
        for saying in sayings:
            if not saying._closed:
                self._end(saying, told)

    def _end(self, saying: Saying, told: AntiphonError | None) -> None:
        """Tell that no more will come; the engine is in the middle of a step, so its place is freed before the next."""
        now, record = self._clock(), saying._record
        saying._closed = True
        saying._reply.computed += record.leave(now)
        record.end(now, Outcome.FAILED if told else Outcome.DONE, told)
        saying._deliver(told)

    def _forget(self, saying: Saying) -> None:
        with self._changed:
            self._sayings.remove(saying)
        saying._record.end(self._clock(), Outcome.DROPPED)
        if saying._speech is not None:
            with self._failing([]):
                saying._speech.close()

    def _report(self, work: "Future[None]") -> None:
        """Say why the worker died, and leave nobody waiting for it."""
        if error := work.exception():
            log.critical("the engine is lost", exc_info=error)
            with self._changed:
                self.broken = True
                left = tuple(self._sayings)
            for saying in left:
                if saying._closed:
                    saying._record.end(self._clock(), Outcome.DROPPED)
                else:
                    self._end(saying, lost())
            self._lost()


def lost() -> Unavailable:
    """What callers are told: another replica can say it, this one never will."""
    return Unavailable("this replica has lost its engine; try another")
