"""Voice activity by Silero VAD: one session on one thread serves all conversations in batches."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.runtime import onnx
from services.runtime.telemetry import metrics

Floats = npt.NDArray[np.float32]

WINDOW = 512
"""Samples at 16 kHz that one probability is about: 32 ms."""

_CONTEXT = 64
"""Samples of the window before that the model wants to see again."""

_FAIR_SHARE = 8
"""Windows of one conversation in one run; more have to queue again, so that a burst delays nobody else."""


@dataclass(slots=True)
class VoiceState:
    """What the model remembers of one conversation."""

    memory: Floats = field(default_factory=lambda: np.zeros((2, 128), np.float32))
    context: Floats = field(default_factory=lambda: np.zeros(_CONTEXT, np.float32))


class VoiceActivity(Protocol):
    """Tells how likely each window of audio holds a voice."""

    async def probabilities(self, state: VoiceState, windows: Floats) -> list[float]:
        """Probability of voice by window.

        Args:
            state: this conversation's; one call at a time.
            windows: ``float32 [n, WINDOW]`` in [-1, 1], in order.
        """


@dataclass(slots=True)
class _Job:
    state: VoiceState
    windows: Floats
    result: asyncio.Future[list[float]]


class SileroVoice:
    """Silero VAD by onnxruntime.

    Args:
        model: the ONNX file.
    """

    def __init__(self, model: Path) -> None:
        self._session = onnx.load(model)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="voice-activity")
        self._waiting: list[_Job] = []
        self._running: asyncio.Task[None] | None = None

    async def probabilities(self, state: VoiceState, windows: Floats) -> list[float]:
        """Probability of voice by window; whoever asks meanwhile shares the next run."""
        found: list[float] = []
        for start in range(0, len(windows), _FAIR_SHARE):
            result: asyncio.Future[list[float]] = (
                asyncio.get_running_loop().create_future()
            )
            self._waiting.append(
                _Job(state, windows[start : start + _FAIR_SHARE], result)
            )
            if self._running is None:
                self._running = asyncio.create_task(self._run())
            found += await result
        return found

    async def close(self) -> None:
        """Let the run in progress end, and free the thread."""
        if self._running is not None:
            await self._running
        self._executor.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            jobs, self._waiting = self._waiting, []
            metrics.BATCH_SIZE.labels("gateway", "voice").observe(len(jobs))
            try:
                results = await loop.run_in_executor(self._executor, self._infer, jobs)
            except Exception as error:  # noqa: BLE001  # onnxruntime's errors share no base; the askers get it
                for job in jobs:
                    if not job.result.done():
                        job.result.set_exception(error)
                continue
            for job, result in zip(jobs, results, strict=True):
                if not job.result.done():
                    job.result.set_result(result)
        self._running = None

    def _infer(self, jobs: Sequence[_Job]) -> list[list[float]]:
        results: list[list[float]] = [[] for _ in jobs]
        for step in range(max(len(job.windows) for job in jobs)):
            members = [i for i, job in enumerate(jobs) if step < len(job.windows)]
            rows = [
                np.concatenate((jobs[i].state.context, jobs[i].windows[step]))
                for i in members
            ]
            memory = np.stack([jobs[i].state.memory for i in members], axis=1)
            feed = {
                "input": np.stack(rows),
                "state": memory,
                "sr": np.array(16_000, np.int64),
            }
            probabilities, memory = self._session.run(["output", "stateN"], feed)
            for row, i in enumerate(members):
                jobs[i].state.memory = memory[:, row]
                jobs[i].state.context = rows[row][-_CONTEXT:]
                results[i].append(float(probabilities[row, 0]))
        return results
