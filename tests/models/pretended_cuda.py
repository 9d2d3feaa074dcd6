"""CUDA graphs without CUDA: what a capture records and a replay repeats, played by the CPU.

A replay knows nothing of Python: it runs the operations of the capture again, on the same memory. So does this one.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class PretendedGraph(TorchDispatchMode):
    """Stands for ``torch.cuda.CUDAGraph``: operations and the memory that they were run on, and nothing of Python."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.replays = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        self.replays += 1
        made: dict[int, Any] = {}

        def now(value: Any) -> Any:
            return made.get(id(value), value)

        for operation, args, kwargs, before in self.calls:
            result = operation(*tree_map(now, args), **tree_map(now, kwargs))
            for old, new in zip(tree_leaves(before), tree_leaves(result), strict=True):
                made[id(old)] = new


def pretend_cuda_graphs(monkeypatch: pytest.MonkeyPatch) -> list[PretendedGraph]:
    """Let PyTorch capture graphs without CUDA; returns those that it captures from now on."""
    captured: list[PretendedGraph] = []

    @contextmanager
    def capture(graph: PretendedGraph, **_: Any) -> Iterator[None]:
        with graph:
            yield
        captured.append(graph)

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stands_in in {
        "CUDAGraph": PretendedGraph,
        "Stream": lambda device: stream,
        "current_stream": lambda device: stream,
        "graph": capture,
        "graph_pool_handle": lambda: None,
        "stream": lambda stream: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stands_in)
    return captured
