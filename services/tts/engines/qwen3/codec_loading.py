"""Which codec decoder a loaded model gets: the one that keeps its state, if it proves itself on this very model."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from services.runtime.errors import EngineError
from services.runtime.logs import get_logger
from services.tts.engines.qwen3.codec import Codec, CodecDecoder, CodecStream

log = get_logger(__name__)

LEFT_CONTEXT = 25
"""Frames that the package itself decodes again before each piece (``chunked_decode``)."""
_TOLERANCE = 1e-2
"""Of the difference's RMS to the signal's: 40 dB down, where rounding alone is some 1e-5, and 1e-3 with TF32."""
_COARSE = 1e-1
"""The same in half precision, whose rounding alone is some 1e-2."""
_SEED = 12


class RedecodingCodec:
    """The package's decoder as it is, given the last frames again with every piece; close to the whole, not equal.

    Attributes:
        samples_per_frame: audio that one frame becomes.
    """

    def __init__(self, decoder: Any, left_context: int = LEFT_CONTEXT) -> None:
        """Use a decoder (``speech_tokenizer.model.decoder``) with so many frames of left context."""
        self.samples_per_frame = int(decoder.total_upsample)
        self._decoder = decoder
        self._left = left_context
        self._none = torch.zeros(
            0, decoder.config.num_quantizers, dtype=torch.int64, device=decoder.device
        )
        self._past: dict[int, Tensor] = {}
        self._slots = count()

    def capture(self, sizes: Sequence[int]) -> None:
        """Nothing to prepare: every piece has a shape of its own."""

    def open(self, context: Tensor | None = None) -> CodecStream:
        """See `Codec.open`; there is always a place."""
        slot = next(self._slots)
        self._past[slot] = self._last(self._none if context is None else context)
        return CodecStream(slot, self._past.pop)

    def decode(
        self, batch: Sequence[tuple[CodecStream, Tensor]]
    ) -> list[NDArray[np.float32]]:
        """See `Codec.decode`. Shorter rows are filled up behind, where it changes nothing for what is before."""
        slots = [stream.slot for stream, _ in batch]
        if len(set(slots)) != len(slots):
            raise EngineError("a stream stands twice in one batch")
        windows = [
            torch.cat((self._past[slot], frames.to(self._none.device)))
            for slot, (_, frames) in zip(slots, batch, strict=True)
        ]
        if not any(len(window) for window in windows):
            return [np.zeros(0, np.float32) for _ in batch]
        with torch.inference_mode():
            padded = pad_sequence(windows, batch_first=True).transpose(1, 2)
            audio = self._decoder(padded)[:, 0].float().cpu().numpy()
        pieces = []
        for row, (slot, window) in enumerate(zip(slots, windows, strict=True)):
            start = len(self._past[slot]) * self.samples_per_frame
            pieces.append(audio[row, start : len(window) * self.samples_per_frame])
            self._past[slot] = self._last(window)
        return pieces

    def _last(self, frames: Tensor) -> Tensor:
        return frames[max(0, len(frames) - self._left) :].to(self._none.device)


def load_codec(decoder: Any, slots: int = 32) -> Codec:
    """The decoder for a loaded model; decodes some seconds of noise, which may take as long on a CPU.

    Args:
        decoder: ``speech_tokenizer.model.decoder``, on its device and in its precision.
        slots: replies that can be open at once.

    Returns:
        One that keeps its state; one that decodes its left context again, and a line in the log, where the first does
        not give what the whole decode gives.

    Raises:
        FailedPrecondition: the decoder has layers whose state is not known.
    """
    codec = CodecDecoder(decoder, slots)
    difference = compare(codec, decoder)
    precise = next(decoder.parameters()).dtype.itemsize >= 4
    tolerance = _TOLERANCE if precise else _COARSE
    if difference <= tolerance:
        return codec
    log.warning(
        "the codec decoder cannot be continued exactly: every piece decodes its left context again",
        difference=difference,
        tolerance=tolerance,
    )
    return RedecodingCodec(decoder)


def compare(codec: CodecDecoder, decoder: Any) -> float:
    """How far audio in pieces is from the audio of one whole decode: RMS of the difference to that of the signal.

    Random codes, a few more than the attention's window, in pieces of 1, 2, 4, … frames.
    """
    frames = codec.window + 8
    generator = torch.Generator().manual_seed(_SEED)
    codes = torch.randint(
        codec.codebook_size, (frames, codec.codebooks), generator=generator
    ).to(next(decoder.parameters()).device)
    with torch.inference_mode():
        whole = decoder(codes.T[None])[0, 0].float().cpu().numpy()
    stream = codec.open()
    try:
        pieces, start, size = [], 0, 1
        while start < frames:
            pieces += codec.decode([(stream, codes[start : start + size])])
            start, size = start + size, 2 * size
    finally:
        stream.close()
    error = np.concatenate(pieces) - whole
    return float(np.sqrt(np.mean(error**2) / np.mean(whole**2)))
