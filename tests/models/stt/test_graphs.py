"""CUDA graphs without CUDA: of the encoder, what a capture records is repeated on the CPU; of the decoder, NeMo's own
implementation for graphs runs step by step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from nemo.collections.asr.parts.submodules.transducer_decoding.tdt_label_looping import (
    GreedyBatchedTDTLabelLoopingComputer as Computer,
)

from services.stt.engines import EngineOptions, Utterance
from services.stt.engines.parakeet import Parakeet
from services.stt.engines.parakeet_loading import restore
from services.stt.engines.parakeet_network import Network
from tests.models.checkpoints.parakeet import speech
from tests.models.pretended_cuda import PretendedGraph, pretend_cuda_graphs

LENGTHS = (2.0, 1.3, 1.7)
BATCHES = [(4, 2.0), (2, 2.0), (1, 1.0)]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[PretendedGraph]:
    """The graphs that were captured on a pretended CUDA."""
    return pretend_cuda_graphs(monkeypatch)


@pytest.fixture
def network(tiny: Path) -> Network:
    return Network(restore(tiny, "cpu"), "cpu", "float32", 1)


def heard(network: Network, *seconds: float) -> list[list[str]]:
    batch = [speech(each, seed) for seed, each in enumerate(seconds)]
    tokens = network.decoder.decode(network.encode(batch))
    return [[token.piece for token in each] for each in tokens]


def test_a_replayed_encoder_hears_what_it_hears_kernel_by_kernel(
    network: Network, graphs: list[PretendedGraph]
) -> None:
    alone, three = heard(network, 1.0), heard(network, *LENGTHS)
    assert all(three)
    network.capture_encoder(BATCHES)
    assert [graph.replays for graph in graphs] == [1, 1, 1], "each was checked"
    for _ in range(2):
        assert heard(network, *LENGTHS) == three
        assert heard(network, 1.0) == alone
    assert [graph.replays for graph in graphs] == [3, 1, 3]


def test_what_was_not_captured_is_encoded_all_the_same(
    network: Network, graphs: list[PretendedGraph]
) -> None:
    longer, more = heard(network, 2.5), heard(network, *[2.0] * 5)
    network.capture_encoder(BATCHES)
    assert heard(network, 2.5) == longer and heard(network, *[2.0] * 5) == more
    assert [graph.replays for graph in graphs] == [1, 1, 1]


def test_what_one_replay_gave_stays_when_the_next_one_writes(
    network: Network, graphs: list[PretendedGraph]
) -> None:
    network.capture_encoder([(1, 2.0)])
    encoded = network.encode([speech(2.0, 0)])
    before = encoded.frames.clone()
    network.encode([speech(2.0, 1)])
    assert torch.equal(encoded.frames, before) and graphs[0].replays == 3


@pytest.mark.parametrize("breaks", ["capture", "replay"])
def test_an_encoder_whose_graphs_do_not_work_runs_without(
    network: Network,
    graphs: list[PretendedGraph],
    monkeypatch: pytest.MonkeyPatch,
    breaks: str,
) -> None:
    expected = heard(network, *LENGTHS)

    @contextmanager
    def refused(*_: Any, **__: Any) -> Iterator[None]:
        raise RuntimeError("operation not permitted when stream is capturing")
        yield

    if breaks == "capture":
        monkeypatch.setattr(torch.cuda, "graph", refused)
    else:
        monkeypatch.setattr(PretendedGraph, "replay", lambda self: None)
    network.capture_encoder(BATCHES)
    assert heard(network, *LENGTHS) == expected


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the decoder believe in CUDA graphs; the sizes that they were captured for."""
    sizes: list[int] = []
    make = Computer._graph_reinitialize

    def enable(self: Any) -> None:
        self.cuda_graphs_mode = self.CudaGraphsMode.FULL_GRAPH
        self.reset_cuda_graphs_state()

    def capture(self: Any, projected: Any) -> None:
        sizes.append(len(projected))
        make(self, projected)

    monkeypatch.setattr(Computer, "maybe_enable_cuda_graphs", enable)
    monkeypatch.setattr(Computer, "_graph_reinitialize", capture)
    monkeypatch.setattr(Computer, "__call__", play)
    return sizes


def play(self: Any, frames: Any, counts: Any, states: Any = None) -> Any:
    mode = self.cuda_graphs_mode
    if mode is None:
        return self.torch_impl(frames, counts, states)
    self.cuda_graphs_mode = self.CudaGraphsMode.NO_GRAPHS
    try:
        return self.cuda_graphs_impl(frames, counts, states)
    finally:
        self.cuda_graphs_mode = mode


def mode_of(network: Network) -> str:
    return str(network.model.decoding.decoding.decoding_computer.cuda_graphs_mode)


def test_the_decoder_is_captured_once_for_all_that_comes(
    network: Network, tiny: Path, played: list[int]
) -> None:
    expected = heard(network, *LENGTHS)
    other = Network(restore(tiny, "cpu"), "cpu", "float32", 1)
    del played[:]
    other.check_decoder(8, 40.0)
    assert heard(other, *LENGTHS) == expected
    heard(other, 40.0)
    heard(other, *[1.0] * 8)
    assert played == [8]
    assert "full" in mode_of(other).lower()


def test_a_token_that_rounding_changes_does_not_cost_the_graphs(
    network: Network, played: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rounded(self: Any, *arguments: Any) -> Any:
        hypotheses, state = play(self, *arguments)
        if self.cuda_graphs_mode is not None:
            hypotheses.transcript[:, 3] += 1
        return hypotheses, state

    monkeypatch.setattr(Computer, "__call__", rounded)
    network.check_decoder(2, 5.0)
    assert "full" in mode_of(network).lower()


@pytest.mark.parametrize("kinds", [1, 2])
def test_graphs_that_hear_nonsense_are_given_up_for_simpler_ones_and_for_none(
    network: Network, played: list[int], monkeypatch: pytest.MonkeyPatch, kinds: int
) -> None:
    modes = Computer.CudaGraphsMode
    broken = (modes.FULL_GRAPH, modes.NO_WHILE_LOOPS)[:kinds]

    def nonsense(self: Any, *arguments: Any) -> Any:
        hypotheses, state = play(self, *arguments)
        if self.cuda_graphs_mode in broken:
            hypotheses.transcript.fill_(1)
        return hypotheses, state

    monkeypatch.setattr(Computer, "__call__", nonsense)
    network.check_decoder(2, 5.0)
    assert mode_of(network) == str([modes.NO_WHILE_LOOPS, None][kinds - 1])


def test_whatever_a_capture_raises_is_no_reason_not_to_start(
    network: Network, played: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, *_: Any) -> None:
        raise TypeError("cuGraphAddNode() takes exactly 4 positional arguments")

    expected = heard(network, *LENGTHS)
    monkeypatch.setattr(Computer, "_graph_reinitialize", broken)
    network.check_decoder(2, 5.0)
    assert mode_of(network) == "None"
    assert heard(network, *LENGTHS) == expected


def test_warm_as_on_a_gpu_it_hears_the_same_and_runs_nothing_kernel_by_kernel(
    network: Network, tiny: Path, graphs: list[PretendedGraph], played: list[int]
) -> None:
    options = EngineOptions("", "cpu", "auto", 1, window_seconds=5.0, batch=4)
    plain = Parakeet(network, "plain", options)
    other = Network(restore(tiny, "cpu"), "cpu", "float32", 1)
    other.on_gpu = True
    engine = Parakeet(other, "graphed", options)
    engine.warm_up()
    assert played == [4], "the decoder's, once"
    assert len(graphs) == 15, "four, two and one of 1, 2, 3, 4 and 5 seconds"
    launched = []
    other.model.encoder.register_forward_pre_hook(lambda *_: launched.append(1))
    for count in (1, 2, 3, 4, 7):
        utterances = [Utterance(speech(0.4 + 0.6 * n, n), "en") for n in range(count)]
        texts = [each.text for each in engine.transcribe(utterances)]
        assert texts == [each.text for each in plain.transcribe(utterances)]
    assert not launched
    assert played == [4]
