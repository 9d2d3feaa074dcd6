"""A FastConformer transducer of NeMo's: samples in, frames of its encoder out, of which `parakeet_decoder` makes tokens.

NeMo's own ``transcribe()`` is not used: it goes through files' lists and loaders, and leaves the network in training
mode. Here the preprocessor, the encoder and the label-looping decoder are called one after the other.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from services.stt.engines.parakeet_decoder import Decoder, Encoded
from services.stt.engines.parakeet_graphs import GraphedEncoder
from services.stt.engines.parakeet_loading import quantize

_SHORT = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.5, 15.0, 20.0)
_BUCKETS = (*_SHORT, 25.0, 30.0, 40.0, 50.0, 60.0)
"""Seconds that batches on a GPU are padded to: CUDA graphs are of few sizes, and its memory is divided into few."""


class Unwanted(Exception):
    """Nobody waits for any utterance of the batch any more."""


class Network:
    """A model on its device.

    Args:
        model: of NeMo's, as `parakeet_loading.restore` gives it; it is changed for good.
        device: "cpu" or "cuda".
        precision: "float32", "bfloat16" or "int8" (dynamically quantized linear layers of the encoder, CPU).
        threads: CPU threads.

    Attributes:
        model: NeMo's, for what is special to one kind.
        dtype: of all that is computed behind the spectrogram.
        rate: Hz.
        frame_seconds: one frame of the encoder.
        on_gpu: whether it runs on one.
        decoder: what makes tokens of its frames.
    """

    def __init__(self, model: Any, device: str, precision: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model = model.to(device)
        self._device = torch.device(device)
        self.on_gpu = device == "cuda"
        self.rate = int(model.cfg.preprocessor.sample_rate)
        stride = float(model.cfg.preprocessor.window_stride)
        self.frame_seconds = stride * model.encoder.subsampling_factor
        # Noise on the signal and padding for kernels are for training.
        model.preprocessor.featurizer.dither = 0.0
        model.preprocessor.featurizer.pad_to = 0
        model.freeze()
        model.eval()
        self.dtype = torch.float32
        if precision == "bfloat16":
            self.dtype = torch.bfloat16
            for part in (model.encoder, model.decoder, model.joint):
                part.to(torch.bfloat16)
        elif precision == "int8":
            quantize(model.encoder)
        self._encoder = GraphedEncoder(model.encoder)
        self.decoder = Decoder(model, self.frame_seconds, self.on_gpu)
        self._wanted: Callable[[], bool] | None = None
        for layer in model.encoder.layers:
            layer.register_forward_pre_hook(self._check_wanted)

    def encode(
        self,
        utterances: Sequence[NDArray[np.float32]],
        wanted: Callable[[], bool] | None = None,
    ) -> Encoded:
        """Encode a batch of ``float32 [samples]``.

        Args:
            utterances: in any order; the shorter ones are padded, which changes nothing in what comes out.
            wanted: whether anybody still waits; asked before each layer, unless all of them run as one CUDA graph.

        Raises:
            Unwanted: nobody did.
        """
        self._wanted = wanted
        try:
            with torch.inference_mode():
                features, counts = self.features(utterances)
                encoded, counts = self._encoder(features, counts)
        finally:
            self._wanted = None
        return Encoded(encoded.transpose(1, 2), counts)

    @property
    def cache_aware(self) -> bool:
        """Whether what it made of the beginning of an utterance stays true, whatever follows."""
        config = self.model.cfg
        causal = config.encoder.get("conv_context_size") == "causal"
        chunked = config.encoder.get("att_context_style") == "chunked_limited"
        # Features that are normalized over the whole utterance change with every sample.
        normalized = config.preprocessor.get("normalize") in (
            "per_feature",
            "all_features",
        )
        return causal and chunked and not normalized

    def features(self, utterances: Sequence[NDArray[np.float32]]) -> tuple[Any, Any]:
        """Spectrograms of a batch of ``float32 [samples]``.

        Returns:
            ``[utterances, mels, frames]``, and the frames of each, ``int64 [utterances]``.
        """
        lengths = [len(each) for each in utterances]
        # Memory that the device can read by itself, or the copy would be made twice and waited for.
        shape = (len(utterances), self._padded(max(lengths)))
        padded = torch.zeros(shape, pin_memory=self._device.type == "cuda")
        for row, samples in zip(padded, utterances, strict=True):
            row[: len(samples)] = torch.from_numpy(samples)
        with torch.inference_mode():
            features, counts = self.model.preprocessor(
                input_signal=padded.to(self._device, non_blocking=True),
                length=torch.tensor(lengths, device=self._device),
            )
        return features.to(self.dtype), counts

    def check_decoder(self, size: int, seconds: float) -> None:
        """Find out how its decoder can be used (`Decoder.check`), on noise.

        Args:
            size: utterances of the largest batch that will come.
            seconds: of the longest utterance.

        Raises:
            EngineError: it cannot.
        """
        generator = np.random.default_rng(0)
        noise = generator.standard_normal(2 * self.rate).astype(np.float32) * 0.1
        longest = self._padded(round(seconds * self.rate)) / self.rate
        frames = math.ceil(longest / self.frame_seconds) + 1
        self.decoder.check(self.encode([noise]), size, frames)

    def capture_encoder(self, batches: Sequence[tuple[int, float]]) -> None:
        """Make CUDA graphs of the encoder.

        Args:
            batches: utterances in each, and seconds of the longest; the largest first.
        """
        with torch.inference_mode():
            self._encoder.capture(self._noises(batches), self._device)

    def _noises(self, batches: Sequence[tuple[int, float]]) -> Iterator[Any]:
        for size, seconds in batches:
            silence = np.zeros(round(seconds * self.rate), np.float32)
            yield torch.randn_like(self.features([silence] * size)[0])

    def _padded(self, samples: int) -> int:
        if not self.on_gpu:
            return samples
        seconds = samples / self.rate
        return round(
            next((each for each in _BUCKETS if each >= seconds), seconds) * self.rate
        )

    def _check_wanted(self, *_: object) -> None:
        if self._wanted is not None and not self._wanted():
            raise Unwanted


def lengths_to_warm(longest: float) -> tuple[float, ...]:
    """Seconds of the utterances that a GPU gets to see, the longest first."""
    return (longest, *(each for each in reversed(_BUCKETS) if each < longest))
