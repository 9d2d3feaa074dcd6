"""Whether a speaker who pauses is done: Smart Turn, one session on one thread for all conversations."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from gateway.hearing.log_mel import SAMPLES, Floats, log_mel
from services.runtime import onnx
from services.runtime.logs import get_logger
from services.runtime.telemetry import labels, metrics

log = get_logger(__name__)

MOST_WAITING = 2
"""Requests behind the one that runs. A prediction that comes after the turn was decided by silence helps nobody."""


class EndOfTurn(Protocol):
    """Tells how likely a speaker is done."""

    async def probability(self, samples: bytes) -> float | None:
        """Probability in [0, 1] that the speaker is done; None where there is no telling.

        Args:
            samples: 16-bit little-endian mono PCM at 16 kHz, the utterance up to and into its pause. Any length; the
                last 8 s count.
        """


class Session(Protocol):
    """The part of an onnxruntime session that is used."""

    def run(
        self, outputs: Sequence[str], feed: Mapping[str, Floats]
    ) -> Sequence[Floats]:
        """Outputs by name for inputs by name."""


class SmartTurn:
    """Smart Turn v3 by onnxruntime: one prediction at a time, and none for whom it would come too late.

    Args:
        session: of the model.
        most_waiting: requests that wait while one runs; the next is answered None at once.
    """

    def __init__(self, session: Session, most_waiting: int = MOST_WAITING) -> None:
        self._session = session
        self._most_waiting = most_waiting
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="end-of-turn", initializer=_give_way
        )
        self._unfinished: list[Future[float]] = []
        self._failing = False
        labels.at_zero(metrics.END_PREDICTIONS)

    @classmethod
    def load(cls, model: Path) -> Self:
        """The model of an ONNX file; raises onnxruntime's errors, which share no base, where it is none."""
        return cls(onnx.load(model))

    async def probability(self, samples: bytes) -> float | None:
        """Probability that the speaker is done; None where too many wait already, or the model failed.

        A failure is logged, but not again until the model has worked in between. A caller that is cancelled gives its
        place up, unless its prediction runs already.
        """
        asked = time.perf_counter()
        self._unfinished = [job for job in self._unfinished if not job.done()]
        if len(self._unfinished) > self._most_waiting:
            metrics.END_PREDICTIONS.labels("busy").inc()
            return None
        job = self._executor.submit(self._predict, _last(samples))
        self._unfinished.append(job)
        try:
            probability = await asyncio.wrap_future(job)
        except Exception as error:  # onnxruntime's errors share no base
            metrics.END_PREDICTIONS.labels("failed").inc()
            if not self._failing:
                log.error("prediction of the turn's end failed", exc_info=error)
            self._failing = True
            return None
        self._failing = False
        metrics.END_PREDICTIONS.labels("made").inc()
        metrics.END_PREDICTION.observe(time.perf_counter() - asked)
        return probability

    async def close(self) -> None:
        """Let what was asked be answered, and free the thread."""
        await asyncio.to_thread(self._executor.shutdown)

    def _predict(self, samples: bytes) -> float:
        pcm = np.frombuffer(samples, "<i2").astype(np.float32) / 32768.0
        # The output's name is not the truth: the graph ends in a sigmoid.
        (found,) = self._session.run(
            ["logits"], {"input_features": log_mel(pcm)[np.newaxis]}
        )
        return float(found[0, 0])


def _last(samples: bytes) -> bytes:
    """The stretch that counts; half a sample at the end does not."""
    whole = len(samples) // 2
    return samples[2 * max(0, whole - SAMPLES) : 2 * whole]


def _give_way() -> None:
    """Run this thread behind the event loop: what it computes is late by milliseconds, what the loop does is heard."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
