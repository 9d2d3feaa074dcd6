"""CUDA graphs of the encoder: more than a thousand kernels, most of them shorter than their launch, launched as one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from services.runtime.logs import get_logger

log = get_logger(__name__)

_WARM_UPS = 2
"""Runs before a capture, in which libraries make their workspaces."""

_MOST_DIFFERENCE = 0.05
"""Of the largest value: replayed against launched one by one. Half precision keeps about 1 %."""


@dataclass(frozen=True, slots=True)
class _Captured:
    """A graph, and the memory that it reads and writes.

    Attributes:
        graph: CUDA's.
        features: ``[utterances, mels, frames]``.
        counts: ``int64 [utterances]``.
        encoded: ``[utterances, width, frames]``.
        encoded_counts: ``int64 [utterances]``.
    """

    graph: Any
    features: Any
    counts: Any
    encoded: Any
    encoded_counts: Any

    def replay(self, features: Any, counts: Any) -> tuple[Any, Any]:
        """Encode as many utterances as there are, or fewer."""
        size = len(counts)
        self.features[:size].copy_(features)
        self.counts[:size].copy_(counts)
        self.graph.replay()
        # Copies: the next replay writes over the originals.
        return self.encoded[:size].clone(), self.encoded_counts[:size].clone()


class GraphedEncoder:
    """An encoder that replays what it has captured and otherwise runs as it is.

    Args:
        encoder: of NeMo's, in evaluation mode; it never waits for the device nor looks at what is there.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._captured: dict[tuple[int, int], _Captured] = {}

    def __call__(self, features: Any, counts: Any) -> tuple[Any, Any]:
        """Encode a batch.

        Args:
            features: ``[utterances, mels, frames]``.
            counts: frames of each, ``int64 [utterances]``.

        Returns:
            ``[utterances, width, frames]``, and the frames of each.
        """
        size, _, frames = features.shape
        # A row without an utterance costs less than a launch, a batch of twice as many may not.
        sizes = [rows for rows, length in self._captured if length == frames]
        fitting = min((rows for rows in sizes if size <= rows < 2 * size), default=0)
        if fitting:
            return self._captured[fitting, frames].replay(features, counts)
        return self._run(features, counts)

    def capture(self, batches: Iterable[Any], device: Any) -> None:
        """Capture it for batches of these shapes, the largest first.

        Whatever fails, or comes out differently, leaves the encoder as it was.

        Args:
            batches: features, each ``[utterances, mels, frames]``.
            device: that they are on.
        """
        # Graphs never run at the same time: they share the memory that they need meanwhile.
        pool = torch.cuda.graph_pool_handle()
        side = torch.cuda.Stream(device)
        for features in batches:
            size, _, frames = features.shape
            try:
                captured = self._capture(features, pool, side)
            except RuntimeError as error:
                log.warning("encoder: no CUDA graphs", reason=str(error))
                self._captured.clear()
                return
            if captured is None:
                log.warning("encoder: CUDA graphs are not used, they differ")
                self._captured.clear()
                return
            self._captured[size, frames] = captured
        log.info("encoder captured", cuda_graphs=len(self._captured))

    def _capture(self, features: Any, pool: Any, side: Any) -> _Captured | None:
        counts = torch.full((len(features),), features.shape[2], device=features.device)
        wanted, wanted_counts = self._run(features, counts)
        graph = torch.cuda.CUDAGraph()
        captured = _Captured(
            graph,
            torch.empty_like(features),
            torch.empty_like(counts),
            torch.empty_like(wanted),
            torch.empty_like(wanted_counts),
        )
        captured.features.copy_(features)
        captured.counts.copy_(counts)
        current = torch.cuda.current_stream(features.device)
        side.wait_stream(current)
        # Around the capture, too: one that fails does not leave its stream by itself.
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._run(captured.features, captured.counts)
            with torch.cuda.graph(
                graph, pool=pool, stream=side, capture_error_mode="thread_local"
            ):
                encoded, encoded_counts = self._run(captured.features, captured.counts)
                captured.encoded.copy_(encoded)
                captured.encoded_counts.copy_(encoded_counts)
        current.wait_stream(side)
        # What is right there from before would hide a replay that does nothing.
        captured.encoded.zero_()
        heard, heard_counts = captured.replay(features, counts)
        difference = (heard - wanted).abs().max()
        alike = difference <= _MOST_DIFFERENCE * wanted.abs().max()
        if bool(alike) and torch.equal(heard_counts, wanted_counts):
            return captured
        return None

    def _run(self, features: Any, counts: Any) -> tuple[Any, Any]:
        encoded, counts = self._encoder(audio_signal=features, length=counts)
        return encoded, counts
