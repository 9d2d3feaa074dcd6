"""What makes timed tokens of the encoder's frames: NeMo's label-looping decoder, batched."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf, open_dict

from services.runtime.errors import EngineError
from services.runtime.logs import get_logger
from services.stt.engines.parakeet_text import Token

log = get_logger(__name__)

_MOST_SYMBOLS = 10
"""Tokens that one frame of the encoder may emit, as the published checkpoints have it; ends what would never end."""

_ALIKE = 0.8
"""Share of tokens that two ways to decode must have in common: of two that are as likely, rounding chooses either, and
what follows may shift; a decoder that is broken hears nothing, or nonsense."""


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


class Decoder:
    """The decoder of a model.

    Args:
        model: of NeMo's, on its device; how it decodes is changed for good.
        frame_seconds: one frame of the encoder.
        on_gpu: whether it runs on one.
    """

    def __init__(self, model: Any, frame_seconds: float, on_gpu: bool) -> None:
        self._model = model
        self._frame_seconds = frame_seconds
        self._on_gpu = on_gpu
        self._decode_with("greedy_batch")

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
            pieces = self._model.tokenizer.ids_to_tokens(labels[row, :count].tolist())
            timed = zip(
                pieces,
                (times[row, :count] * self._frame_seconds).tolist(),
                ((times + spans)[row, :count] * self._frame_seconds).tolist(),
                chances[row, :count].float().clamp(0.0, 1.0).tolist(),
                strict=True,
            )
            tokens.append([Token(*each) for each in timed])
        return tokens, behind

    def check(self, encoded: Encoded, size: int, longest: int) -> None:
        """Hold the batched decoder to the plain one, and CUDA graphs of it to what it hears without.

        Batched decoders of some versions returned nothing for what the plain one understood. All hear what is given,
        and noise in its place: a trained network may be silent on the former.

        Args:
            encoded: one utterance.
            size: utterances of the largest batch that will come.
            longest: frames of the longest utterance.

        Raises:
            EngineError: it hears nothing where the plain one hears words.
        """
        generator = np.random.default_rng(0)
        other = torch.from_numpy(generator.standard_normal(encoded.frames.shape))
        other = other.to(encoded.frames) * encoded.frames.float().std()
        frames = torch.cat([encoded.frames, other.to(encoded.frames)], dim=1)
        both = Encoded(frames, 2 * encoded.counts)
        plain = self._plain(both)
        largest = Encoded(
            frames.new_zeros(size, longest, frames.shape[2]),
            encoded.counts.new_ones(size),
        )
        mode = self._computer.cuda_graphs_mode
        self._computer.disable_cuda_graphs()
        heard = self._pieces(both)
        if plain and not heard:
            raise EngineError(
                "NeMo's batched decoder hears nothing where its plain one does: this version of it cannot be used"
            )
        if not _alike(heard, plain):
            log.warning("decoders differ", batched=len(heard), plain=len(plain))
        if mode is not None:
            self._choose_graphs(mode, both, largest, heard)
        graphs = str(self._computer.cuda_graphs_mode)
        log.info("decoder checked", tokens=len(plain), cuda_graphs=graphs)

    def _choose_graphs(
        self, best: Any, signal: Encoded, largest: Encoded, expected: Sequence[str]
    ) -> None:
        """Use the fastest kind of CUDA graphs that hears what is expected, or none.

        Args:
            best: the kind that NeMo would use.
            signal: one utterance.
            largest: batch that will come.
            expected: what is heard in the signal without graphs.
        """
        for mode in dict.fromkeys((best, type(best).NO_WHILE_LOOPS)):
            self._computer.force_cuda_graphs_mode(mode)
            try:
                # They are captured for the first batch, and anew, for a second or so, for each that is larger.
                self.decode(largest)
                heard = self._pieces(signal)
            except Exception:  # CUDA's packages raise what they like
                log.warning("no CUDA graphs", kind=str(mode), exc_info=True)
                continue
            if _alike(heard, expected):
                return
            log.warning("CUDA graphs hear something else", kind=str(mode))
        self._computer.disable_cuda_graphs()

    def _pieces(self, encoded: Encoded) -> list[str]:
        return [token.piece for token in self.decode(encoded)[0]]

    def _plain(self, encoded: Encoded) -> list[str]:
        """What NeMo's decoder without any batching makes of one utterance."""
        self._decode_with("greedy")
        try:
            hypotheses = self._model.decoding.decoding(
                encoder_output=encoded.frames.transpose(1, 2),
                encoded_lengths=encoded.counts,
            )[0]
        finally:
            self._decode_with("greedy_batch")
        labels = [int(label) for label in hypotheses[0].y_sequence]
        pieces: list[str] = self._model.tokenizer.ids_to_tokens(labels)
        return pieces

    def _decode_with(self, strategy: str) -> None:
        decoding = copy.deepcopy(self._model.cfg.decoding)
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
                    "use_cuda_graph_decoder": self._on_gpu,
                }
            )
            # The probability of the token itself. (NeMo's other measures tell errors better, but are none.)
            decoding.confidence_cfg = {
                "preserve_frame_confidence": strategy == "greedy_batch",
                "exclude_blank": True,
                "tdt_include_duration": False,
                "method_cfg": {"name": "max_prob", "alpha": 1.0},
            }
        self._model.change_decoding_strategy(decoding, verbose=False)
        if strategy == "greedy_batch":
            self._computer = self._model.decoding.decoding.decoding_computer


def _alike(some: Sequence[str], others: Sequence[str]) -> bool:
    return SequenceMatcher(None, some, others, autojunk=False).ratio() >= _ALIKE
