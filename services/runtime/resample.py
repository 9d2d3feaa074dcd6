"""Resampling of streams, with state: no clicks between chunks, and hardly any delay.

By FFmpeg's resampler, through PyAV: it holds back 1-2 ms. libsoxr's streams hold back 20-70 ms, which a listener
would wait for.
"""

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


class Resampler:
    """Mono 16-bit audio from one sample rate to another.

    Args:
        source: rate of what comes in, in Hz.
        target: rate of what goes out, in Hz.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._position = 0
        self._resampler = (
            None
            if source == target
            else av.AudioResampler(format="s16", layout="mono", rate=target)
        )

    def push(self, samples: Samples) -> Samples:
        """The next samples, ``int16 [n]``; returns what can be told of them so far, ``int16 [m]``."""
        if self._resampler is None or not len(samples):
            return samples
        contiguous = np.ascontiguousarray(samples, np.int16)
        frame = av.AudioFrame.from_ndarray(
            contiguous[None], format="s16", layout="mono"
        )
        frame.sample_rate = self._source
        frame.pts = self._position
        self._position += len(samples)
        return _joined(self._resampler.resample(frame))

    def flush(self) -> Samples:
        """What was held back; nothing may be pushed after it."""
        if self._resampler is None or not self._position:
            return np.zeros(0, np.int16)
        return _joined(self._resampler.resample(None))


def _joined(frames: list[av.AudioFrame]) -> Samples:
    if not frames:
        return np.zeros(0, np.int16)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(
        np.int16, copy=False
    )
