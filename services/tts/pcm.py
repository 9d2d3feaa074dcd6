"""A reply's audio on its way out: resampled as one stream, 16-bit, cut into frames."""

import numpy as np

from services.runtime.resample import Resampler
from services.runtime.units import PCM_BYTES
from services.tts.engines import Samples


class FrameStream:
    """Turns an engine's samples into frames of the caller's rate.

    Attributes:
        rate: of the frames, in Hz.
        taken: samples taken in so far, at the engine's rate.
        given: samples given out so far, at the caller's rate.
    """

    def __init__(self, engine_rate: int, rate: int, frame_samples: int) -> None:
        self.rate = rate
        self.taken = 0
        self.given = 0
        self._engine_rate = engine_rate
        self._frame_bytes = frame_samples * PCM_BYTES
        self._buffer = bytearray()
        # One filter for the whole reply: a new one at each piece would click.
        self._resampler = Resampler(engine_rate, rate)

    @property
    def seconds_taken(self) -> float:
        """Where the next sample taken in stands on the audio clock."""
        return self.taken / self._engine_rate

    @property
    def seconds_given(self) -> float:
        """Where the next sample given out stands on the audio clock."""
        return self.given / self.rate

    @property
    def seconds_held(self) -> float:
        """Where what is held here now ends on the audio clock."""
        return (self.given + len(self._buffer) // PCM_BYTES) / self.rate

    def take(self, samples: Samples) -> None:
        """Take in the next ``float32 [n]`` in [-1, 1]; what is louder is clipped."""
        self.taken += len(samples)
        scaled = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
        self._buffer += self._resampler.push(scaled).astype("<i2").tobytes()

    def finish(self) -> None:
        """Take what the filter still holds; nothing can be taken in after it."""
        self._buffer += self._resampler.flush().astype("<i2").tobytes()

    def frame(self, rest: bool) -> tuple[float, bytes] | None:
        """Position in seconds and samples of the next frame; None where there is not enough for one.

        Args:
            rest: give all there is, in a last frame that may be shorter. Without it at least one sample is held back,
                so that whatever is to be said about the end of the audio can still be said before it.
        """
        held = len(self._buffer)
        if held == 0 or (not rest and held <= self._frame_bytes):
            return None
        position = self.seconds_given
        samples = bytes(self._buffer[: self._frame_bytes])
        del self._buffer[: self._frame_bytes]
        self.given += len(samples) // PCM_BYTES
        return position, samples
