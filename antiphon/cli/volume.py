"""How loud the answer is played: quietly while somebody speaks into it."""

import numpy as np

DUCKED = 0.2
"""Of the full volume: the habit that the contract names (conversation.proto, `ReplyDucked`)."""
RAMP_SECONDS = 0.01
"""From one volume to the other: short enough not to be noticed, long enough not to click."""


class Volume:
    """A volume that changes without a click.

    Args:
        rate: samples a second, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._step = (1.0 - DUCKED) / (rate * RAMP_SECONDS)
        self._now = 1.0
        self._aim = 1.0

    def duck(self, ducked: bool) -> None:
        """From now on play quietly, or as loud as ever."""
        self._aim = DUCKED if ducked else 1.0

    def apply(self, samples: bytes) -> bytes:
        """The next samples as loud as they are to be played.

        Args:
            samples: 16-bit mono; silence included, for the volume changes during silence too.
        """
        if self._now == self._aim == 1.0:
            return samples
        values = np.frombuffer(samples, "<i2")
        way = self._step * np.arange(1, len(values) + 1)
        if self._aim < self._now:
            gains = np.maximum(self._now - way, self._aim)
        else:
            gains = np.minimum(self._now + way, self._aim)
        if len(gains):
            self._now = float(gains[-1])
        quieter: bytes = np.rint(values * gains).astype("<i2").tobytes()
        return quieter
