"""NVIDIA's Parakeet and its relatives: FastConformer transducers (TDT or RNN-T) run by NeMo.

A batch is sorted into groups of like length (`grouping`), each padded to its longest member. Padding changes nothing in
a transcript: features are normalized, and attention and convolutions masked, by each utterance's own length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from services.runtime.errors import EngineError, FailedPrecondition
from services.stt.audio import audible
from services.stt.engines import (
    AUTO,
    UNDETERMINED,
    Capabilities,
    EngineOptions,
    Transcript,
    Utterance,
)
from services.stt.engines.grouping import group
from services.stt.engines.parakeet_loading import restore
from services.stt.engines.parakeet_network import (
    Network,
    Unwanted,
    lengths_to_warm,
)
from services.stt.engines.parakeet_text import Token, languages_of, to_transcript
from services.stt.engines.weights import find_file

DEFAULT_MODEL = "nvidia/parakeet-tdt-0.6b-v3"

_LEAST_SECONDS = 1.0
"""What is shorter is padded with silence, as NeMo does: features are normalized over time and want some."""

_LONGEST_SECONDS = 60.0
"""Attention over all of it grows with its square, and nobody waits for a longer window's transcript."""


@dataclass(frozen=True, slots=True)
class _Costs:
    """What a device gains from batches.

    Attributes:
        batch: utterances that it gains from.
        fixed: cost of a call however short, in seconds of audio (`grouping.group`).
        most: padded seconds of one call.
    """

    batch: int
    fixed: float
    most: float


_ON_CPU = _Costs(batch=4, fixed=2.5, most=40.0)
"""0.6 billion weights in float32 are read once a call, whatever is computed with them: measured on one thread,
docs/benchmarks.md."""

_ON_GPU = _Costs(batch=64, fixed=100.0, most=640.0)
"""A call's thousand kernels take some 15 ms to launch, in which a large GPU computes about 100 s of audio (estimated
from 15 GFLOP a second of audio). 640 s need about 4 GB beside the weights."""


class Parakeet:
    """A FastConformer transducer.

    Args:
        network: the model.
        name: of the model, as its publisher has it.
        options: what else the engine is told.
    """

    def __init__(self, network: Network, name: str, options: EngineOptions) -> None:
        self._network = network
        self._name = name
        self._options = options
        self._costs = _ON_GPU if network.on_gpu else _ON_CPU

    @cached_property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return Capabilities(
            model=self._name,
            sample_rate=self._network.rate,
            languages=languages_of(self._name),
            hint_phrases=False,
            word_times=True,
            confidence=True,
            window_seconds=_LONGEST_SECONDS,
            batch=self._costs.batch,
        )

    def warm_up(self) -> None:
        """Run everything once, on a GPU in all sizes that will come, and hold the decoder to NeMo's plain one.

        Raises:
            EngineError: the model failed.
        """
        network, costs = self._network, self._costs
        try:
            # First: the decoder that it leaves behind is a new one.
            network.check_decoder(_LEAST_SECONDS)
            if not network.on_gpu:
                return  # where one size is as fast as any other from the first
            largest = self._options.batch or costs.batch
            sizes = [largest, *(2**n for n in range(9, -1, -1) if 2**n < largest)]
            longest = min(self._options.window_seconds, _LONGEST_SECONDS)
            for seconds in lengths_to_warm(longest):
                silence = np.zeros(round(seconds * network.rate), np.float32)
                for size in sizes:
                    if size == 1 or size * seconds <= costs.most:
                        network.decode(network.encode([silence] * size))
        except RuntimeError as error:
            raise EngineError(f"Parakeet does not run here: {error}") from error

    def transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        """Transcribe a batch; one result an utterance, in order.

        Raises:
            EngineError: the model failed.
        """
        try:
            return self._transcribe(utterances)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"Parakeet failed: {error}") from error

    def _transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        rate, costs = self._network.rate, self._costs
        results = [
            Transcript("", (), _language(each.language), 0.0) for each in utterances
        ]
        heard = [
            index
            for index, each in enumerate(utterances)
            if audible(each.samples, rate)
        ]
        seconds = [len(utterances[index].samples) / rate for index in heard]
        for members in group(seconds, costs.fixed, costs.most, costs.batch):
            batch = {heard[member]: utterances[heard[member]] for member in members}
            for index, tokens in self._hear(batch).items():
                results[index] = to_transcript(
                    tokens, len(utterances[index].samples) / rate, results[index]
                )
        return results

    def _hear(self, batch: Mapping[int, Utterance]) -> dict[int, list[Token]]:
        """The tokens of those utterances that somebody still waits for at the end."""
        wanted = _wanted(batch)
        if not wanted:
            return {}
        least = round(_LEAST_SECONDS * self._network.rate)
        try:
            encoded = self._network.encode(
                [_padded(batch[index].samples, least) for index in wanted],
                lambda: bool(_wanted(batch)),
            )
        except Unwanted:
            return {}
        rows = [row for row, index in enumerate(wanted) if batch[index].wanted()]
        if not rows:
            return {}
        tokens = self._network.decode(encoded.only(rows))
        return {wanted[row]: heard for row, heard in zip(rows, tokens, strict=True)}


def _wanted(batch: Mapping[int, Utterance]) -> list[int]:
    return [index for index, utterance in batch.items() if utterance.wanted()]


def _padded(samples: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    if len(samples) >= least:
        return samples
    return np.concatenate([samples, np.zeros(least - len(samples), np.float32)])


def _language(asked: str) -> str:
    # The network writes in the language that it hears and does not say which it is.
    return UNDETERMINED if asked == AUTO else asked


def _device(asked: str) -> str:
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise FailedPrecondition(
            "device is cuda, but PyTorch finds no GPU that it can use here"
        )
    return "cuda" if there and asked != "cpu" else "cpu"


def _precision(asked: str, device: str) -> str:
    offered = ("bfloat16", "float32") if device == "cuda" else ("float32", "int8")
    precision = offered[0] if asked == "auto" else asked
    if precision not in offered:
        # bfloat16 on a CPU without instructions for it takes fifteen times as long.
        raise FailedPrecondition(
            f"precision {precision!r} is not for this engine on {device}; there are: auto, {', '.join(offered)}"
        )
    return precision


def load(options: EngineOptions) -> Parakeet:
    """Load a model of Parakeet's kind.

    Args:
        options: ``model`` may be a ``.nemo`` archive, a folder with one, or the id of a repository on the Hub with one.

    Raises:
        FailedPrecondition: the model cannot be had, is not one of this kind, or not for this device.
    """
    device = _device(options.device)
    precision = _precision(options.precision, device)
    archive = find_file(options.model or DEFAULT_MODEL, ".nemo")
    network = Network(restore(archive, device), device, precision, options.threads)
    return Parakeet(network, archive.stem, options)
