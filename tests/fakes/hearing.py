"""Hearing for tests: loud is voice, quiet is not; and audio to go with it."""

import numpy as np

from gateway.hearing.voice import Floats, VoiceState

RATE = 16_000


class LoudnessVoice:
    """Voice activity by loudness, without a model."""

    async def probabilities(self, _state: VoiceState, windows: Floats) -> list[float]:
        return [
            1.0 if float(np.abs(window).mean()) > 0.05 else 0.0 for window in windows
        ]


def speech(seconds: float) -> bytes:
    """Something loud, as 16-bit PCM at 16 kHz."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (np.sin(times * 440 * 2 * np.pi) * 16_000).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    """Nothing, as 16-bit PCM at 16 kHz."""
    return bytes(2 * round(seconds * RATE))
