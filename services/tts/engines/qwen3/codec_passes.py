"""Passes through the codec decoder in few shapes, so that each can be a CUDA graph.

A decoder that keeps its state may be given seven frames as four, two and one: nothing changes but the count of passes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from services.tts.engines.qwen3.graphs import GraphedStep

FRAMES = (8, 4, 2, 1)
"""Of one pass; largest first, and any number is a sum of them."""

Advance = Callable[[Tensor, Tensor], Tensor]
"""Codes ``[rows, n, codebooks]`` and slots ``int64 [rows]`` to audio ``[rows, samples]``."""


class Pass:
    """A pass of so many frames, on memory that stays where it is.

    Attributes:
        frames: of each row.
    """

    def __init__(
        self, advance: Advance, codes: Tensor, slots: Tensor, audio: Tensor
    ) -> None:
        """Prepare it.

        Args:
            advance: what runs.
            codes: ``int64 [rows, frames, codebooks]``, for as many rows as there may be.
            slots: ``int64 [rows]``, all of them the slot that no reply has.
            audio: ``[rows, samples]``.
        """
        self.frames: int = codes.shape[1]
        self._advance = advance
        self._codes, self._slots, self._audio = codes, slots, audio
        self._unused = slots[0].clone()
        self._sizes: tuple[int, ...] = ()
        self._step = GraphedStep(self._run, codes.device)

    def capture(self, sizes: Sequence[int]) -> None:
        """Capture it for these numbers of rows; others are filled up to the next of them from now on."""
        self._slots.copy_(self._unused)
        self._step.capture(sizes)
        self._sizes = tuple(sorted(sizes))

    def __call__(self, codes: Tensor, slots: Tensor) -> Tensor:
        """Run it for some rows; their audio, ``[rows, samples]``."""
        count = len(codes)
        rows = next((size for size in self._sizes if size >= count), count)
        self._codes[:count] = codes
        self._slots[:count] = slots
        self._slots[count:rows] = self._unused
        self._step(rows)
        return self._audio[:count].clone()

    def _run(self, rows: int) -> None:
        self._audio[:rows] = self._advance(self._codes[:rows], self._slots[:rows])


def make_passes(
    advance: Advance, rows: int, codebooks: int, samples: int, unused: int, like: Any
) -> list[Pass]:
    """A pass for each of `FRAMES`.

    Args:
        advance: what runs.
        rows: that there may be at most.
        codebooks: codes of a frame.
        samples: audio of a frame.
        unused: the slot that no reply has, where the rows that fill up work.
        like: a tensor on the device and in the precision of the audio.
    """
    device = like.device
    return [
        Pass(
            advance,
            torch.zeros(rows, frames, codebooks, dtype=torch.int64, device=device),
            torch.full((rows,), unused, dtype=torch.int64, device=device),
            like.new_zeros(rows, frames * samples),
        )
        for frames in FRAMES
    ]
