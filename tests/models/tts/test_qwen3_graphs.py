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

from services.tts.engines.qwen3.graphs import GraphedStep
from tests.models.tts.conftest import (
    Heard,
    Loaded,
    line,
    make_engine,
    same,
    speak,
    step,
)

CUDA = SimpleNamespace(type="cuda")
FRAMES = 12


class _Graph(TorchDispatchMode):
    """Stands for ``torch.cuda.CUDAGraph``."""

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


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[_Graph]:
    """A pretended CUDA; the graphs that were captured on it."""
    captured: list[_Graph] = []

    @contextmanager
    def capture(graph: _Graph, pool: Any, stream: Any) -> Iterator[None]:
        with graph:
            yield
        captured.append(graph)

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stands_in in {
        "CUDAGraph": _Graph,
        "Stream": lambda device: stream,
        "current_stream": lambda device: stream,
        "graph": capture,
        "graph_pool_handle": lambda: None,
        "stream": lambda stream: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stands_in)
    make = GraphedStep.__init__
    monkeypatch.setattr(
        GraphedStep, "__init__", lambda graphed, step, device: make(graphed, step, CUDA)
    )
    return captured


def test_replayed_steps_say_what_steps_say(
    loaded: Loaded, graphs: list[_Graph], reference: Any
) -> None:
    wrapper = loaded("base", end_after=None)
    lines = [
        line(text, "cloned", reference=reference)
        for text in ("Hello, how are you today?", "One two three.", "Yes.")
    ]
    plain = make_engine(wrapper)
    wanted = [speak(plain, [one], frames=FRAMES)[0] for one in lines]
    assert not graphs

    engine = make_engine(wrapper)
    engine.warm_up()
    assert len(graphs) == 3  # steps of one, two and four
    rows = [engine.begin(one) for one in lines]
    heard = {row: Heard() for row in rows}
    step(engine, {rows[0]: heard[rows[0]]})
    for turn in range(2 * FRAMES):
        taking_part = rows if turn % 2 else rows[1:]
        step(engine, {row: heard[row] for row in taking_part})
    assert sum(graph.replays for graph in graphs) > 2 * FRAMES
    for row, one in zip(rows, wanted, strict=True):
        length = len(one.samples)
        assert same(heard[row].samples[:length], one.samples)
        row.close()


def test_what_cannot_be_captured_runs_as_it_is(
    graphs: list[_Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(graph: _Graph, pool: Any, stream: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    ran: list[int] = []
    graphed = GraphedStep(ran.append, CUDA)
    graphed.capture((1, 2))
    ran.clear()
    graphed(2)
    assert ran == [2]


def test_without_cuda_nothing_is_captured() -> None:
    ran: list[int] = []
    graphed = GraphedStep(ran.append, torch.device("cpu"))
    graphed.capture((1, 2))
    assert not ran
    graphed(1)
    assert ran == [1]
