"""NVIDIA's Parakeet and its relatives: FastConformer transducers (TDT or RNN-T) run by NeMo.

A batch is sorted into groups of like length (`grouping`), each padded to its longest member. Padding changes nothing in
a transcript: features are normalized, and attention and convolutions masked, by each utterance's own length.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from services.runtime.errors import EngineError
from services.stt.audio import audible
from services.stt.engines import (
    AUTO,
    UNDETERMINED,
    Capabilities,
    EngineLost,
    EngineOptions,
    Transcript,
    Utterance,
)
from services.stt.engines.grouping import group
from services.stt.engines.parakeet_loading import device_of, precision_of, restore
from services.stt.engines.parakeet_network import (
    Network,
    Unwanted,
    lengths_to_warm,
)
from services.stt.engines.parakeet_streaming import Progress, Streamer
from services.stt.engines.parakeet_text import Token, languages_of, to_transcript
from services.stt.engines.weights import DEFAULT_MODELS
from services.stt.engines.weights import parakeet as weights_of

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


_ON_CPU = _Costs(batch=4, fixed=3.0, most=40.0)
"""The published size's 0.6 billion weights have to be read once a call, whatever is computed with them: 0.42 s, and
0.13 s more for each second of audio (float32, one thread; docs/benchmarks.md)."""

_ON_GPU = _Costs(batch=64, fixed=100.0, most=320.0)
"""Estimated, for a large GPU: 15 GFLOP a second of audio, of which it computes 280 TFLOP a second (35 % of what it
could): 100 s in 5 ms, which is also what a call of one utterance takes at least. 320 s take 17 ms, so that a final behind
them keeps its 50 ms, and need about 2 GB beside the weights."""

_GRAPHED_SECONDS = 160.0
"""Padded seconds of the largest batch that is worth a CUDA graph: of larger ones the launches, some 15 to 25 ms, are
hidden behind what is computed."""


_MEASURED_SECONDS = 5.0
_AGAIN = 4.4
"""Seconds transcribed for each second of an utterance of 5 s, with a partial every 0.8 s: 0.8 + 1.6 + ... + 4.8, and 5."""
_SHARE = 0.8
"""Of its time that the engine is to be busy: beyond it finals wait for each other."""
_MOST_STREAMS = 256
"""What gRPC takes in frames of 80 ms on one Python event loop: some three thousand messages a second."""


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
        costs = _ON_GPU if network.on_gpu else _ON_CPU
        self._costs = replace(costs, batch=options.batch or costs.batch)

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

    def warm_up(self) -> int:
        """Run everything once, on a GPU in all sizes that will come, and hold the decoder to NeMo's plain one.

        Returns:
            Streams that it carries in real time, as measured.

        Raises:
            EngineError: the model failed.
        """
        network, costs = self._network, self._costs
        try:
            # First: the decoder that it leaves behind is a new one.
            network.check_decoder(costs.batch, self._longest)
            if network.on_gpu:  # on a CPU any size is as fast from the first
                sizes = [2**n for n in range(9, -1, -1) if 2**n < costs.batch]
                self._warm((costs.batch, *sizes))
            return self._measure()
        except torch.OutOfMemoryError as error:
            raise EngineError(
                f"Parakeet needs more memory than this GPU has for batches of {costs.batch}; a smaller max_batch needs less"
            ) from error
        except RuntimeError as error:
            raise EngineError(f"Parakeet does not run here: {error}") from error

    def _measure(self) -> int:
        """How many people may speak at once, each transcribed again and again while they do."""
        noise = np.random.default_rng(0).standard_normal(
            round(_MEASURED_SECONDS * self._network.rate)
        )
        utterance = Utterance(noise.astype(np.float32) * 0.1, AUTO)
        began = time.perf_counter()
        self._hear_all(dict.fromkeys(range(self._costs.batch), utterance))
        took = time.perf_counter() - began
        rate = self._costs.batch * _MEASURED_SECONDS / took
        return min(_MOST_STREAMS, int(_SHARE * rate / _AGAIN))

    @property
    def _longest(self) -> float:
        return min(self._options.window_seconds, _LONGEST_SECONDS)

    def _warm(self, sizes: Sequence[int]) -> None:
        batches = [
            (size, seconds)
            for seconds in lengths_to_warm(self._longest)
            for size in sizes
            if size == 1 or size * seconds <= self._costs.most
        ]
        # Tables of the encoder grow with the longest: graphs would read where the smaller ones were.
        self._network.encode([self._silence(self._longest)])
        graphed = [each for each in batches if each[0] * each[1] <= _GRAPHED_SECONDS]
        graphed.sort(key=lambda each: each[0] * each[1], reverse=True)
        self._network.capture_encoder(graphed)
        # Afterwards: each capture gives back what PyTorch had kept of the memory of device and host.
        for size, seconds in batches:
            silence = [self._silence(seconds)] * size
            self._network.decoder.decode(self._network.encode(silence))

    def _silence(self, seconds: float) -> NDArray[np.float32]:
        return np.zeros(round(seconds * self._network.rate), np.float32)

    def transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        """Transcribe a batch; one result an utterance, in order.

        Raises:
            EngineError: the model failed.
            EngineLost: the GPU did, and whatever it is asked from now on.
        """
        try:
            return self._transcribe(utterances)
        except torch.AcceleratorError as error:
            raise EngineLost(str(error)) from error
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"Parakeet failed: {error}") from error

    def _transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        rate = self._network.rate
        results = [
            Transcript("", (), _language(each.language), 0.0) for each in utterances
        ]
        audibles = {
            index: each
            for index, each in enumerate(utterances)
            if audible(each.samples, rate)
        }
        for index, tokens in self._hear_all(audibles).items():
            seconds = len(utterances[index].samples) / rate
            results[index] = to_transcript(tokens, seconds, results[index])
        return results

    def _hear_all(
        self, utterances: Mapping[int, Utterance]
    ) -> Mapping[int, Sequence[Token]]:
        """The tokens of those utterances that somebody still waits for at the end."""
        rate, costs, keys = self._network.rate, self._costs, list(utterances)
        seconds = [len(each.samples) / rate for each in utterances.values()]
        heard: dict[int, list[Token]] = {}
        for members in group(seconds, costs.fixed, costs.most, costs.batch):
            batch = {keys[member]: utterances[keys[member]] for member in members}
            heard |= self._hear(batch)
        return heard

    def _hear(self, batch: Mapping[int, Utterance]) -> dict[int, list[Token]]:
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
        tokens = self._network.decoder.decode(encoded.only(rows))
        return {wanted[row]: heard for row, heard in zip(rows, tokens, strict=True)}


class StreamingParakeet(Parakeet):
    """A cache-aware transducer: only what is new of an utterance is computed (`parakeet_streaming`).

    Args:
        network: the model.
        name: of the model, as its publisher has it.
        options: what else the engine is told.
    """

    def __init__(self, network: Network, name: str, options: EngineOptions) -> None:
        super().__init__(network, name, options)
        self._streamer = Streamer(network)

    def _warm(self, sizes: Sequence[int]) -> None:
        # Two chunks and a rest: each is a shape of its own.
        silence = self._silence(2.5 * self._streamer.chunk_seconds)
        for size in sizes:
            self._hear_all({n: Utterance(silence, AUTO) for n in range(size)})

    def _hear_all(
        self, utterances: Mapping[int, Utterance]
    ) -> Mapping[int, Sequence[Token]]:
        streamer = self._streamer
        at = {index: self._resumed(each) for index, each in utterances.items()}
        while True:
            wanted = [index for index in at if utterances[index].wanted()]
            ready = [
                index
                for index in wanted
                if streamer.ready(at[index], len(utterances[index].samples))
            ]
            if not ready:
                break
            for batch in self._alike(ready, at):
                advanced = streamer.advance(
                    [at[index] for index in batch],
                    [utterances[index].samples for index in batch],
                )
                for index, progress in zip(batch, advanced, strict=True):
                    at[index] = utterances[index].memory.kept = progress
        heard: dict[int, Sequence[Token]] = {}
        for batch in self._alike(wanted, at):
            finished = streamer.finish(
                [at[index] for index in batch],
                [utterances[index].samples for index in batch],
            )
            heard.update(zip(batch, finished, strict=True))
        return heard

    def _resumed(self, utterance: Utterance) -> Progress:
        kept = utterance.memory.kept
        samples = len(utterance.samples)
        if isinstance(kept, Progress) and self._streamer.fits(kept, samples):
            return kept
        return Progress()

    def _alike(
        self, indices: Sequence[int], at: Mapping[int, Progress]
    ) -> list[list[int]]:
        """Batches of those before their first chunk and of those behind it: their steps differ."""
        batches = []
        for begun in (False, True):
            alike = [index for index in indices if at[index].begun is begun]
            size = self._costs.batch
            batches += [alike[n : n + size] for n in range(0, len(alike), size)]
        return batches


def _wanted(batch: Mapping[int, Utterance]) -> list[int]:
    return [index for index, utterance in batch.items() if utterance.wanted()]


def _padded(samples: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    if len(samples) >= least:
        return samples
    return np.concatenate([samples, np.zeros(least - len(samples), np.float32)])


def _language(asked: str) -> str:
    # The network writes in the language that it hears and does not say which it is.
    return UNDETERMINED if asked == AUTO else asked


def load(options: EngineOptions) -> Parakeet:
    """Load a model of Parakeet's kind.

    Args:
        options: ``model`` may be a ``.nemo`` archive, a folder with one, or the id of a repository on the Hub with one.

    Raises:
        FailedPrecondition: the model cannot be had, is not one of this kind, or not for this device.
    """
    device = device_of(options.device)
    precision = precision_of(options.precision, device)
    archive = weights_of(options.model or DEFAULT_MODELS["parakeet"])
    network = Network(restore(archive, device), device, precision, options.threads)
    kind = StreamingParakeet if network.cache_aware else Parakeet
    return kind(network, archive.stem, options)
