"""The steps of Qwen3-TTS as CUDA graphs, on a pretended CUDA."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from services.tts.engines.qwen3.graphs import GraphedStep
from tests.models.pretended_cuda import PretendedGraph, pretend_cuda_graphs
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


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[PretendedGraph]:
    """The graphs that were captured on a pretended CUDA."""
    captured = pretend_cuda_graphs(monkeypatch)
    make = GraphedStep.__init__
    monkeypatch.setattr(
        GraphedStep, "__init__", lambda graphed, step, device: make(graphed, step, CUDA)
    )
    return captured


def test_replayed_steps_say_what_steps_say(
    loaded: Loaded, graphs: list[PretendedGraph], reference: Any
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
    graphs: list[PretendedGraph], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(graph: PretendedGraph, pool: Any, stream: Any) -> Any:
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
