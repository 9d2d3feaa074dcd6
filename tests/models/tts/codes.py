"""Random codes, and what a decoder makes of them in one go."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

TOLERANCE = 1e-5
"""Of each sample in float32, full scale being 1: rounding alone is 1e-6 at these weights. 16 bits go in steps of 3e-5."""


def random_codes(
    frames: int, seed: int = 1, codebooks: int = 16, size: int = 2048
) -> Any:
    """``int64 [frames, codebooks]``, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(size, (frames, codebooks), generator=generator)


def decode_whole(decoder: Any, codes: Any) -> NDArray[np.float32]:
    """The audio of ``int64 [frames, codebooks]`` by the package's own forward pass, once over all of them."""
    with torch.inference_mode():
        return decoder(codes.T[None])[0, 0].numpy()
