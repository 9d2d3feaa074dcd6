"""Audio from codec frames as they come: the 12 Hz decoder of Qwen3-TTS, continued instead of repeated.

The decoder looks back alone: its convolutions pad on the left, its transposed convolutions cut what reaches past the
end, its transformer sees a window of frames. So every sample is final once its own frame is there, and decoding frame
by frame gives what decoding the whole reply at once gives, up to rounding, if each layer keeps what it looks back at
(`codec_layers`). The package instead decodes 25 frames again with every piece, which costs more than the piece and is
not exact: eight layers of 72 frames see further than that.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.runtime.errors import EngineError
from services.tts.engines.qwen3.codec_layers import Chain, Convolution, Layout
from services.tts.engines.qwen3.codec_passes import Pass, make_passes
from services.tts.engines.qwen3.codec_transformer import Quantizer, Transformer

_LONGEST = 64
"""Frames of a context that go through the decoder at once, so that a long one does not need its memory: 5 s of it."""
_REFERENCES = 16
"""Voices by example whose state is kept: some 5 MB each in float32."""


class CodecStream:
    """One reply's place in a decoder; of use to that decoder alone."""

    def __init__(self, slot: int, free: Callable[[int], None]) -> None:
        self._slot: int | None = slot
        self._free = free

    @property
    def slot(self) -> int:
        """Which place it has.

        Raises:
            EngineError: it has none any more.
        """
        if self._slot is None:
            raise EngineError("this stream of the codec decoder is closed")
        return self._slot

    def close(self) -> None:
        """Give its place back; may be called again."""
        if self._slot is not None:
            slot, self._slot = self._slot, None
            self._free(slot)


class Codec(Protocol):
    """Codec frames to audio, for many replies at a time. Called from one worker thread, never concurrently.

    Attributes:
        samples_per_frame: audio that one frame becomes.
    """

    samples_per_frame: int

    def capture(self, sizes: Sequence[int]) -> None:
        """Prepare for batches of up to these numbers of replies: CUDA graphs, where there is CUDA."""

    def open(self, context: Tensor | None = None) -> CodecStream:
        """A new reply.

        Args:
            context: ``int64 [frames, codebooks]``, what was spoken just before (the reference of a cloned voice); no
                audio is given for it.

        Raises:
            EngineError: all places are taken.
        """

    def decode(
        self, batch: Sequence[tuple[CodecStream, Tensor]]
    ) -> list[NDArray[np.float32]]:
        """The audio of the next frames of some replies.

        Args:
            batch: a reply, once, and its new frames ``int64 [n, codebooks]``, each code within its codebook; ``n`` may
                differ between replies.

        Returns:
            For each its ``n * samples_per_frame`` samples in [-1, 1].

        Raises:
            EngineError: a reply is closed or stands there twice; nothing was decoded.
        """


class CodecDecoder:
    """The decoder with every layer's state kept: a frame costs the same wherever in a reply it is.

    States are rows of one tensor, and a batch takes its rows out of it by index and puts them back, so that all shapes
    hang on nothing but how many rows and frames there are.

    Attributes:
        samples_per_frame: audio that one frame becomes.
        window: frames that one frame's attention sees.
        codebooks: of a frame.
        codebook_size: entries in each.
    """

    def __init__(self, decoder: Any, slots: int = 32) -> None:
        """Take a decoder's weights over, on the device and in the precision that they have.

        Args:
            decoder: ``speech_tokenizer.model.decoder`` of a loaded model; it is not changed, and stays usable.
            slots: replies that can be open at once.

        Raises:
            FailedPrecondition: it has layers whose state is not known.
        """
        layout = Layout()
        self._quantizer = Quantizer(decoder.quantizer)
        self._before = Convolution(decoder.pre_conv, layout)
        self._transformer = Transformer(decoder.pre_transformer, layout)
        upsampling = [module for pair in decoder.upsample for module in pair]
        self._after = Chain([*upsampling, *decoder.decoder], layout)
        self.samples_per_frame = int(decoder.total_upsample)
        self.window = self._transformer.window
        self.codebooks = self._quantizer.codebooks
        self.codebook_size = self._quantizer.codebook_size
        weight = next(decoder.parameters())
        self._device = weight.device
        # One more than replies: rows that only fill a pass up work there.
        with torch.inference_mode():
            self._states = weight.new_zeros(slots + 1, layout.size)
            self._positions = weight.new_zeros(slots + 1, dtype=torch.int64)
        self._passes: list[Pass] = []
        self._vacant = list(range(slots))
        self._references: OrderedDict[bytes, tuple[Tensor, int]] = OrderedDict()

    def capture(self, sizes: Sequence[int]) -> None:
        """See `Codec.capture`."""
        if self._device.type == "cuda":
            self.fix_shapes(sizes)

    def fix_shapes(self, sizes: Sequence[int]) -> None:
        """Decode in few shapes from now on, each of them a CUDA graph where that can be had.

        A pass is some six hundred small kernels, which otherwise wait for the host to launch them.

        Args:
            sizes: numbers of rows that batches are filled up to.
        """
        slots = len(self._states) - 1
        with torch.inference_mode():
            self._passes = make_passes(
                self._advance,
                max(slots, *sizes),
                self.codebooks,
                self.samples_per_frame,
                slots,
                self._states,
            )
            for one in self._passes:
                one.capture(sizes)

    def open(self, context: Tensor | None = None) -> CodecStream:
        """See `Codec.open`. A context is decoded once and remembered; the next reply in its voice starts from there."""
        if not self._vacant:
            raise EngineError("all places of the codec decoder are taken")
        slot = self._vacant.pop()
        stream = CodecStream(slot, self._vacant.append)
        with torch.inference_mode():
            self._states[slot].zero_()
            self._positions[slot].zero_()
            if context is not None and len(context):
                try:
                    self._resume(stream, context)
                except BaseException:
                    stream.close()
                    raise
        return stream

    def decode(
        self, batch: Sequence[tuple[CodecStream, Tensor]]
    ) -> list[NDArray[np.float32]]:
        """See `Codec.decode`. Replies with as many new frames go through together."""
        slots = [stream.slot for stream, _ in batch]
        if len(set(slots)) != len(slots):
            raise EngineError("a stream stands twice in one batch")
        groups: dict[int, list[int]] = {}
        for row, (_, frames) in enumerate(batch):
            groups.setdefault(len(frames), []).append(row)
        audio: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(batch)
        with torch.inference_mode():
            # All groups are started before the first is waited for.
            started = [
                (
                    rows,
                    self._run(
                        [batch[row][1] for row in rows], [slots[row] for row in rows]
                    ),
                )
                for count, rows in groups.items()
                if count
            ]
            for rows, samples in started:
                for row, one in zip(rows, samples.float().cpu().numpy(), strict=True):
                    audio[row] = one
        return audio

    def _resume(self, stream: CodecStream, context: Tensor) -> None:
        """Bring a new stream to where it stands after a context."""
        key, slot = context.cpu().numpy().tobytes(), stream.slot
        if key in self._references:
            self._states[slot], self._positions[slot] = self._references[key]
        else:
            for frames in context.split(_LONGEST):
                self._run([frames], [slot])
            self._references[key] = self._states[slot].clone(), len(context)
        self._references.move_to_end(key)
        if len(self._references) > _REFERENCES:
            self._references.popitem(last=False)

    def _run(self, frames: Sequence[Tensor], slots: Sequence[int]) -> Tensor:
        """As many new frames of each reply to ``[replies, samples]`` on the device."""
        # In one copy, and not waited for: what was started before would be waited for with it.
        codes = torch.stack(list(frames)).to(self._device, non_blocking=True)
        places = torch.tensor(slots).to(self._device, non_blocking=True)
        if not self._passes:
            return self._advance(codes, places)
        audio = []
        for one in self._passes:
            while codes.shape[1] >= one.frames:
                audio.append(one(codes[:, : one.frames], places))
                codes = codes[:, one.frames :]
        return torch.cat(audio, dim=1)

    def _advance(self, codes: Tensor, slots: Tensor) -> Tensor:
        """One pass, ``[batch, n, codebooks]`` to ``[batch, n * samples_per_frame]``; nothing in it waits for the host.

        The states are put back last: where it fails before, they are as they were.
        """
        rows = self._states.index_select(0, slots)
        hidden = self._before(self._quantizer(codes), rows).transpose(1, 2)
        hidden = self._transformer(hidden, self._positions[slots], rows)
        audio = self._after(hidden.transpose(1, 2), rows).clamp(-1, 1)
        self._states.index_copy_(0, slots, rows)
        self._positions[slots] += codes.shape[1]
        return audio[:, 0]
