"""A FastConformer transducer of NeMo's: samples in, timed tokens out.

NeMo's own ``transcribe()`` is not used: it goes through files' lists and loaders, and leaves the network in training
mode. Here the preprocessor, the encoder and the label-looping decoder are called one after the other.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf, open_dict

from services.runtime.errors import EngineError
from services.runtime.logs import get_logger
from services.stt.engines.parakeet_loading import quantize
from services.stt.engines.parakeet_text import Token

log = get_logger(__name__)

_MOST_SYMBOLS = 10
"""Tokens that one frame of the encoder may emit, as the published checkpoints have it; ends what would never end."""

_BUCKETS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.5, 15.0, 20.0)
"""Seconds that batches on a GPU are padded to, so that its memory is divided into few sizes and stays so."""


class Unwanted(Exception):
    """Nobody waits for any utterance of the batch any more."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch behind the encoder.

    Attributes:
        frames: ``[utterances, frames, width]``.
        counts: frames of each utterance, ``int64 [utterances]``.
    """

    frames: Any
    counts: Any

    def only(self, rows: Sequence[int]) -> "Encoded":
        """Some of its utterances."""
        if len(rows) == len(self.counts):
            return self
        return Encoded(self.frames[list(rows)], self.counts[list(rows)])


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
        self._decode_with("greedy_batch")
        self.dtype = torch.float32
        if precision == "bfloat16":
            self.dtype = torch.bfloat16
            for part in (model.encoder, model.decoder, model.joint):
                part.to(torch.bfloat16)
        elif precision == "int8":
            quantize(model.encoder)
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
            wanted: whether anybody still waits; asked before each layer.

        Raises:
            Unwanted: nobody did.
        """
        self._wanted = wanted
        try:
            with torch.inference_mode():
                features, counts = self.features(utterances)
                encoded, counts = self.model.encoder(
                    audio_signal=features, length=counts
                )
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
        padded = torch.zeros(len(utterances), self._padded(max(lengths)))
        for row, samples in zip(padded, utterances, strict=True):
            row[: len(samples)] = torch.from_numpy(samples)
        with torch.inference_mode():
            features, counts = self.model.preprocessor(
                input_signal=padded.to(self._device),
                length=torch.tensor(lengths, device=self._device),
            )
        return features.to(self.dtype), counts

    def decode(self, encoded: Encoded) -> list[list[Token]]:
        """The tokens of each utterance of a batch."""
        return self._decode(encoded, None)[0]

    def go_on(
        self, encoded: Encoded, states: Sequence[Any]
    ) -> tuple[list[list[Token]], list[Any]]:
        """The tokens of what follows in each utterance, and the decoder's state behind it.

        Args:
            encoded: what follows.
            states: from here, or None at the beginning of an utterance.
        """
        begun = any(state is not None for state in states)
        with torch.inference_mode():
            batched = self._computer.merge_to_batched_state(states) if begun else None
        tokens, state = self._decode(encoded, batched)
        with torch.inference_mode():
            return tokens, self._computer.split_batched_state(state)[: len(states)]

    def _decode(self, encoded: Encoded, states: Any) -> tuple[list[list[Token]], Any]:
        size = len(encoded.counts)
        with torch.inference_mode():
            hypotheses, behind = self._computer(encoded.frames, encoded.counts, states)
            counts, labels, times, spans, chances = hypotheses.get_data_without_blank()
            # Transducers without durations say only in which frame a token begins.
            spans = torch.ones_like(times) if spans is None else spans
            counts = counts[:size].cpu()
            most = int(counts.max())
            labels, times, spans, chances = (
                each[:size, :most].cpu() for each in (labels, times, spans, chances)
            )
        tokens = []
        for row, count in enumerate(counts.tolist()):
            pieces = self.model.tokenizer.ids_to_tokens(labels[row, :count].tolist())
            timed = zip(
                pieces,
                (times[row, :count] * self.frame_seconds).tolist(),
                ((times + spans)[row, :count] * self.frame_seconds).tolist(),
                chances[row, :count].float().clamp(0.0, 1.0).tolist(),
                strict=True,
            )
            tokens.append([Token(*each) for each in timed])
        return tokens, behind

    def check_decoder(self) -> None:
        """Hold the batched decoder to the plain one, with CUDA graphs where they work.

        Batched decoders of some versions returned nothing for what the plain one understood. Both hear the encoder's
        output for noise, and noise in place of that output: a trained network is silent on the former.

        Raises:
            EngineError: it hears nothing where the plain one hears words.
        """
        generator = np.random.default_rng(0)
        noise = generator.standard_normal(2 * self.rate).astype(np.float32) * 0.1
        encoded = self.encode([noise])
        other = torch.from_numpy(generator.standard_normal(encoded.frames.shape))
        other = other.to(encoded.frames) * encoded.frames.float().std()
        frames = torch.cat([encoded.frames, other.to(encoded.frames)], dim=1)
        both = Encoded(frames, 2 * encoded.counts)
        plain, heard = self._plain(both), self._pieces(both)
        if heard != plain and self._computer.cuda_graphs_mode is not None:
            log.warning("decoder: CUDA graphs are not used, they hear something else")
            self._computer.disable_cuda_graphs()
            heard = self._pieces(both)
        if plain and not heard:
            raise EngineError(
                "NeMo's batched decoder hears nothing where its plain one does: this version of it cannot be used"
            )
        if heard != plain:
            # Of two tokens that are as likely, rounding may choose either.
            log.warning("decoders differ", batched=len(heard), plain=len(plain))
        graphs = self._computer.cuda_graphs_mode
        log.info("decoder checked", tokens=len(plain), cuda_graphs=str(graphs))

    def _pieces(self, encoded: Encoded) -> list[str]:
        try:
            return [token.piece for token in self.decode(encoded)[0]]
        except RuntimeError as error:
            if self._computer.cuda_graphs_mode is None:
                raise
            log.warning("decoder: no CUDA graphs", reason=str(error))
            self._computer.disable_cuda_graphs()
            return [token.piece for token in self.decode(encoded)[0]]

    def _plain(self, encoded: Encoded) -> list[str]:
        """What NeMo's decoder without any batching makes of one utterance."""
        self._decode_with("greedy")
        try:
            hypotheses = self.model.decoding.decoding(
                encoder_output=encoded.frames.transpose(1, 2),
                encoded_lengths=encoded.counts,
            )[0]
        finally:
            self._decode_with("greedy_batch")
        labels = [int(label) for label in hypotheses[0].y_sequence]
        pieces: list[str] = self.model.tokenizer.ids_to_tokens(labels)
        return pieces

    def _decode_with(self, strategy: str) -> None:
        decoding = copy.deepcopy(self.model.cfg.decoding)
        with open_dict(decoding):
            decoding.strategy = strategy
            decoding.fused_batch_size = -1
            decoding.preserve_alignments = False
            decoding.compute_timestamps = False
            decoding.tdt_include_token_duration = True
            decoding.greedy = OmegaConf.create(
                {
                    "max_symbols": _MOST_SYMBOLS,
                    "loop_labels": True,
                    "use_cuda_graph_decoder": self.on_gpu,
                }
            )
            # The probability of the token itself. (NeMo's other measures tell errors better, but are none.)
            decoding.confidence_cfg = {
                "preserve_frame_confidence": strategy == "greedy_batch",
                "exclude_blank": True,
                "tdt_include_duration": False,
                "method_cfg": {"name": "max_prob", "alpha": 1.0},
            }
        self.model.change_decoding_strategy(decoding, verbose=False)
        if strategy == "greedy_batch":
            self._computer = self.model.decoding.decoding.decoding_computer

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
