"""CUDA graphs: a step of some two thousand small kernels, launched as one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from services.runtime.logs import get_logger

log = get_logger(__name__)

_WARM_UPS = 3
"""Runs before a capture, which PyTorch asks for: libraries make their workspaces in the first ones."""


class GraphedStep:
    """A step that reads and writes the same memory each time it runs with the same number of rows.

    Captured, it replays; otherwise (on a CPU, before `capture`, or where a capture failed) it runs as it is.
    """

    def __init__(self, step: Callable[[int], None], device: Any) -> None:
        """Make one.

        Args:
            step: takes a number of rows. It must never wait for the device nor look at what is there, and allocates
                only what it also gives up.
            device: where it runs.
        """
        self._step = step
        self._device = device
        self._graphs: dict[int, Any] = {}

    def __call__(self, rows: int) -> None:
        """Run the step."""
        graph = self._graphs.get(rows)
        if graph is None:
            self._step(rows)
        else:
            graph.replay()

    def capture(self, sizes: Sequence[int]) -> None:
        """Capture the step for these numbers of rows, where the device is CUDA. The step runs, and its effects last."""
        if self._device.type != "cuda":
            return
        # Graphs never run at the same time, and what they keep is in memory of its own: they share the rest.
        pool = torch.cuda.graph_pool_handle()
        # One for all: cuBLAS keeps a workspace (32 MiB on Hopper) for each stream that it has ever run on.
        side = torch.cuda.Stream(self._device)
        for rows in sorted(sizes, reverse=True):
            try:
                self._graphs[rows] = self._captured(rows, pool, side)
            except RuntimeError as error:
                log.warning("no CUDA graph: steps will be slow", error=str(error))
                self._graphs.clear()
                return

    def _captured(self, rows: int, pool: Any, side: Any) -> Any:
        current = torch.cuda.current_stream(self._device)
        side.wait_stream(current)
        graph = torch.cuda.CUDAGraph()
        # Around the capture, too: one that fails does not leave its stream by itself.
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._step(rows)
            with torch.cuda.graph(graph, pool=pool, stream=side):
                self._step(rows)
        current.wait_stream(side)
        return graph
