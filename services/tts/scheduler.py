"""Who speaks next: one worker thread, one step of one line at a time, the most urgent first.

Everything that the engine does happens on that thread. Between two steps anything may go first: the first clause of any
reply before the rest of any other, then whoever's listener is closest to running out of audio.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Generator

from services.runtime import metrics
from services.runtime.errors import AntiphonError, EngineError
from services.runtime.logs import get_logger
from services.tts.engines import Capabilities, Engine, Line, Piece

log = get_logger(__name__)

_STAGE = "tts"


class Reply:
    """One stream's place in the schedule.

    Attributes:
        queued: seconds that its steps waited for their turn.
        computed: seconds that the engine worked for it.
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
        self,
        scheduler: "Scheduler",
        reply: Reply,
        pieces: Generator[Piece, None, None],
        ready: float,
    ) -> None:
        self._scheduler = scheduler
        self._loop = asyncio.get_running_loop()
        # Holds no more than what the scheduler lets a reply be ahead.
        self._said: asyncio.Queue[Piece | AntiphonError | None] = asyncio.Queue()
        self._reply = reply
        self._pieces = pieces
        self._first = reply._runs_out is None
        self._ready = ready
        self._closed = False

    async def next(self) -> Piece | None:
        """The next piece; None after the last.

        Raises:
            EngineError: the engine failed on this line.
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
        if self._closed:
            return (-1, 0.0, self._ready)
        if runs_out is None:
            return (0, float("-inf"), self._ready)
        return (0 if self._first else 1, runs_out - now, self._ready)


class Scheduler:
    """Gives the engine's time to replies, step by step."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        max_ahead_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a scheduler; `start` it.

        Args:
            engine: whose time is given.
            name: of the engine, for metrics.
            max_ahead_seconds: a reply that has this much synthesized and not written waits.
            clock: seconds that only rise.
        """
        self._engine = engine
        self._name = name
        self._max_ahead = max_ahead_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._sayings: list[Saying] = []
        self._stopping = False
        self._worker = threading.Thread(target=self._work, name="tts-engine")

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._engine.capabilities

    def start(self) -> None:
        """Begin to work."""
        self._worker.start()

    async def stop(self) -> None:
        """Stop after the running step, and free the engine."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._worker.join)
        self._engine.close()

    def say(self, reply: Reply, line: Line) -> Saying:
        """Put the next line of a reply on the schedule, when the line before has been said."""
        saying = Saying(self, reply, self._engine.speak(line), self._clock())
        with self._changed:
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
        while (saying := self._most_urgent()) is not None:
            if saying._closed:
                self._forget(saying)
            else:
                self._step(saying)
        for saying in self._sayings:
            saying._pieces.close()

    def _most_urgent(self) -> Saying | None:
        """Wait for something to do; None when the scheduler stops."""
        with self._changed:
            while not self._stopping:
                now = self._clock()
                waiting = [
                    saying
                    for saying in self._sayings
                    if saying._closed or saying._reply._ahead() < self._max_ahead
                ]
                if waiting:
                    return min(waiting, key=lambda saying: saying._urgency(now))
                self._changed.wait()
            return None

    def _step(self, saying: Saying) -> None:
        reply, work = saying._reply, "first" if saying._first else "rest"
        began = self._clock()
        waited = began - saying._ready
        said: Piece | AntiphonError | None
        try:
            said = next(saying._pieces, None)
        except AntiphonError as error:
            log.error("engine failed", engine=self._name, reason=error.message)
            said = error
        except Exception as error:  # whatever a model raises fails this reply alone
            log.exception("engine failed", engine=self._name)
            said = EngineError(f"{type(error).__name__} in engine {self._name}")
        now = self._clock()
        if isinstance(said, Piece):
            metrics.QUEUE_WAIT.labels(_STAGE, work).observe(waited)
            metrics.BATCH_SIZE.labels(_STAGE, work).observe(1)
            metrics.COMPUTE.labels(_STAGE, work).observe(now - began)
            seconds = len(said.samples) / self.capabilities.sample_rate
            metrics.SPOKEN_AUDIO.labels(self._name).inc(seconds)
            with self._changed:
                reply._synthesized += seconds
                reply._runs_out = max(reply._runs_out or now, now) + seconds
                saying._ready = now
        else:
            self._forget(saying)
        reply.queued += waited
        reply.computed += now - began
        saying._deliver(said)

    def _forget(self, saying: Saying) -> None:
        saying._pieces.close()
        with self._changed:
            self._sayings.remove(saying)
