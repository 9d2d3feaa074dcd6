"""Cache-aware models, such as NVIDIA's nemotron-speech-streaming: what was encoded once is never encoded again.

Their encoder hears chunks of fixed length (1.12 s for the published ones' best) and what its caches hold of those
before. What is made of whole chunks stays; the rest of an utterance, less than a chunk, is run on copies of the caches
whenever a transcript is asked for. So a transcript costs the same however long its utterance has grown, and the final
one is the one that a single pass over the whole would give: no second, offline pass is worth its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from services.stt.engines.parakeet_decoder import Encoded
from services.stt.engines.parakeet_network import Network
from services.stt.engines.parakeet_text import Token

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Progress:
    """What was made of the whole chunks of an utterance.

    Attributes:
        features: frames of the spectrogram in them.
        caches: of the encoder, each ``[layers, 1, ...]`` or ``[1]``; None before the first chunk.
        state: of the decoder.
        tokens: heard so far.
    """

    features: int = 0
    caches: tuple[Any, ...] | None = None
    state: Any = None
    tokens: tuple[Token, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether there was a chunk."""
        return self.caches is not None


class Streamer:
    """The steps of a cache-aware model.

    Args:
        network: the model.

    Attributes:
        chunk_seconds: of audio that is computed at once.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._encoder = network.model.encoder
        featurizer = network.model.preprocessor.featurizer
        self._hop = int(featurizer.hop_length)
        self._reach = int(featurizer.n_fft) // 2
        # Frames at the left edge of a cut look over it.
        self._margin = -(-(self._reach + 1) // self._hop)
        plan = self._encoder.streaming_cfg
        self._chunks: tuple[int, int] = tuple(plan.chunk_size)
        self._before = int(plan.pre_encode_cache_size[1])
        self._surplus = int(plan.drop_extra_pre_encoded)
        self.chunk_seconds = self._chunks[1] * self._hop / network.rate

    def ready(self, progress: Progress, samples: int) -> bool:
        """Whether there is audio for one more chunk."""
        return samples >= self._needed(progress.features + self._chunk(progress))

    def fits(self, progress: Progress, samples: int) -> bool:
        """Whether a progress is of no more audio than this."""
        return samples >= self._needed(progress.features)

    def advance(
        self, progresses: Sequence[Progress], utterances: Sequence[Samples]
    ) -> list[Progress]:
        """One chunk of each, all of them before their first chunk or none.

        Args:
            progresses: `ready` ones.
            utterances: ``float32 [samples]``, each from its first sample.
        """
        ends = [each.features + self._chunk(each) for each in progresses]
        cut = [
            samples[: self._needed(end)]
            for samples, end in zip(utterances, ends, strict=True)
        ]
        encoded, caches = self._encode(progresses, cut)
        tokens, states = self._network.decoder.go_on(
            encoded, [each.state for each in progresses]
        )
        return [
            Progress(
                end,
                tuple(
                    # The last of the caches counts what is in them. Copies: a part would keep the whole batch's alive.
                    (
                        each[row : row + 1]
                        if each.dim() == 1
                        else each[:, row : row + 1]
                    ).clone()
                    for each in caches
                ),
                state,
                (*before.tokens, *new),
            )
            for row, (before, end, state, new) in enumerate(
                zip(progresses, ends, states, tokens, strict=True)
            )
        ]

    def finish(
        self, progresses: Sequence[Progress], utterances: Sequence[Samples]
    ) -> list[tuple[Token, ...]]:
        """All tokens of each utterance, as if no more audio came; the progress is not changed.

        Args:
            progresses: such that none is `ready`, all of them before their first chunk or none.
            utterances: ``float32 [samples]``, each from its first sample.
        """
        results = [each.tokens for each in progresses]
        rest = [
            row
            for row, each in enumerate(progresses)
            if len(utterances[row]) // self._hop > each.features
        ]
        if rest:
            chosen = [progresses[row] for row in rest]
            encoded, _ = self._encode(chosen, [utterances[row] for row in rest])
            tokens, _ = self._network.decoder.go_on(
                encoded, [each.state for each in chosen]
            )
            for row, new in zip(rest, tokens, strict=True):
                results[row] = (*results[row], *new)
        return results

    def _encode(
        self, progresses: Sequence[Progress], utterances: Sequence[Samples]
    ) -> tuple[Encoded, tuple[Any, ...]]:
        """Encode what follows after a progress.

        Returns:
            The frames, and the caches behind them, ``[layers, utterances, ...]`` and ``[utterances]``.
        """
        first = not progresses[0].begun
        before = 0 if first else self._before
        margin = 0 if first else self._margin
        starts = [self._hop * (each.features - before - margin) for each in progresses]
        with torch.inference_mode():
            features, counts = self._network.features(
                [
                    samples[start:]
                    for samples, start in zip(utterances, starts, strict=True)
                ]
            )
            width = before + self._chunk(progresses[0])
            encoded, counts, *caches = self._encoder.cache_aware_stream_step(
                processed_signal=features[:, :, margin : margin + width],
                processed_signal_length=(counts - margin).clamp(max=width),
                cache_last_channel=self._joined(progresses, 0),
                cache_last_time=self._joined(progresses, 1),
                cache_last_channel_len=self._joined(progresses, 2),
                keep_all_outputs=True,
                drop_extra_pre_encoded=0 if first else self._surplus,
            )
        return Encoded(encoded.transpose(1, 2), counts), tuple(caches)

    def _joined(self, progresses: Sequence[Progress], which: int) -> Any:
        caches = [each.caches for each in progresses if each.caches is not None]
        if not caches:
            empty = self._encoder.get_initial_cache_state(
                batch_size=len(progresses), dtype=self._network.dtype
            )
            return empty[which]
        parts = [each[which] for each in caches]
        return torch.cat(parts, dim=0 if parts[0].dim() == 1 else 1)

    def _chunk(self, progress: Progress) -> int:
        return self._chunks[1 if progress.begun else 0]

    def _needed(self, features: int) -> int:
        """Samples that so many frames of the spectrogram look at."""
        if not features:
            return 0
        return max(self._hop * features, self._hop * (features - 1) + self._reach)
