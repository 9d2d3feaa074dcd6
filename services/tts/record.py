"""What is told of a line on its way through the engine: its waits, its steps, its audio."""

from collections.abc import Sequence

from services.runtime.errors import AntiphonError
from services.runtime.telemetry import metrics, names
from services.runtime.telemetry.trail import Outcome, Trail

STAGE = "tts"
FIRST, REST = "first", "rest"
"""Labels of metrics: a first clause, with whatever stands behind it in the batch, and what comes later."""


class Record:
    """One line. Made in the task that wants it said, so that its trace is known; used on the worker thread from then on.

    All times are those of the scheduler's clock, in seconds.

    Args:
        first: whether it is a reply's first line.
        ready: when it could have been begun.

    Attributes:
        work: label of metrics.
        exemplar: joins measurements to the line's trace; None where that is not kept.
    """

    def __init__(self, first: bool, ready: float) -> None:
        self.work = FIRST if first else REST
        self._trail = Trail()
        self.exemplar = self._trail.exemplar
        self._ready = ready
        self._began: float | None = None
        self._entered: float | None = None
        self._left = 0.0
        self._computed = 0.0
        self._batch = 0
        self._audio = 0.0
        self._over = False

    def enter(self, now: float, batch: int) -> None:
        """A step begins that it takes part in.

        Args:
            now: the time.
            batch: lines in the step.
        """
        if self._began is None:
            self._began = now
        self._entered = now
        self._batch = max(self._batch, batch)

    def leave(self, now: float) -> float:
        """The step is over for this line; returns the seconds since `enter`, 0 where it has left it."""
        if self._entered is None:
            return 0.0
        seconds = now - self._entered
        self._entered, self._left = None, now
        self._computed += seconds
        return seconds

    def waited(self, seconds: float) -> None:
        """Count a wait for a place in a step."""
        metrics.QUEUE_WAIT.labels(STAGE, self.work).observe(seconds, self.exemplar)

    def made(self, seconds: float) -> None:
        """A step has made audio."""
        self._audio += seconds

    def end(
        self, now: float, outcome: Outcome, error: AntiphonError | None = None
    ) -> None:
        """Tell of the whole line; only the first time counts."""
        if self._over:
            return
        self._over = True
        self.leave(now)
        if self._began is None:
            self._tell_wait(now, now, error)
            return
        self._tell_wait(self._began, now, None)
        attributes: dict[str, str | int | float] = {
            names.WORK: self.work,
            names.BATCH_SIZE: self._batch,
            names.AUDIO_SECONDS: self._audio,
            names.COMPUTE_SECONDS: self._computed,
            names.COMPUTE_OUTCOME: outcome.value,
        }
        self._trail.add(
            names.COMPUTE_SPAN,
            self._left - self._began,
            attributes,
            error,
            ago=now - self._left,
        )
        if outcome is Outcome.DONE and self._audio:
            metrics.REAL_TIME_FACTOR.labels(STAGE, self.work).observe(
                self._computed / self._audio, self.exemplar
            )

    def _tell_wait(self, until: float, now: float, error: AntiphonError | None) -> None:
        self._trail.add(
            names.QUEUE_SPAN,
            until - self._ready,
            {names.WORK: self.work},
            error,
            ago=now - until,
        )


def observe_step(records: Sequence[Record], worked: int, seconds: float) -> None:
    """Count a step.

    Args:
        records: of the lines in it.
        worked: lines that it did something for; a step without any is none.
        seconds: that it took.
    """
    if not worked:
        return
    work = FIRST if any(record.work == FIRST for record in records) else REST
    exemplar = next(filter(None, (record.exemplar for record in records)), None)
    metrics.BATCH_SIZE.labels(STAGE, work).observe(worked)
    metrics.COMPUTE.labels(STAGE, work).observe(seconds, exemplar)
