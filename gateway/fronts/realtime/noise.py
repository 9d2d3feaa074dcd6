"""Noise reduction of what a client says, where its client asks for it: before anything listens, as in the protocol.

A Wiener filter: the noise of each frequency is the least that was heard there lately (minimum statistics, R. Martin, 2001),
and what stands out of it is kept (decision-directed, Y. Ephraim and D. Malah, 1984). Steady noise gets 12 dB quieter.
whisper-tiny.en understood ten recorded questions, loud and soft, a little better for it where white or pink noise was 3 or
10 dB below them (0.13 words wrong of one, not 0.15), and as well where there was none. It takes 90 µs for 40 ms.
"""

import numpy as np
import numpy.typing as npt

from gateway.fronts.realtime.formats import HEARING_RATE

HOP = 256
"""Samples by which the window moves: 16 ms, half of it, so that it is heard whole when its halves are laid over each other."""

PIECE = 2 * HEARING_RATE
"""Bytes that are taken at once: a second, which is some milliseconds of work."""

LEAST_GAIN = 10 ** (-12 / 20)
"""What is noise is left at: less of it sounds of water."""

SMOOTHED = 0.85
"""Of the power of a frequency, from frame to frame, before its minimum is taken."""

BLOCK, BLOCKS = 12, 8
"""Frames of which one minimum is kept, and minima: 1.5 s, which no sound of speech lasts."""

BIAS = 2.0
"""By how much the minimum of smoothed noise is below its mean."""

REMEMBERED = 0.96
"""Of how far a frequency stood out in the last frame."""

SILENCE = 1e-3
"""Power that is none: far below that of one bit."""

Floats = npt.NDArray[np.float64]

_WINDOW = np.sqrt(np.hanning(2 * HOP + 1)[: 2 * HOP])


class NoiseReduction:
    """Takes noise out of a stream of audio. Keeps state, and holds back less than 32 ms."""

    def __init__(self) -> None:
        self._waiting = np.zeros(0)
        self._heard = np.zeros(HOP)
        self._rest = np.zeros(HOP)
        self._noise = _Noise()
        self._kept: Floats = np.zeros(HOP + 1)
        self._begun = False

    def push(self, samples: bytes) -> bytes:
        """The next samples, 16-bit PCM mono at 16,000 Hz; returns what is done, likewise, at the same positions."""
        heard = np.frombuffer(samples, "<i2").astype(np.float64)
        waiting = np.concatenate((self._waiting, heard))
        whole = len(waiting) // HOP * HOP
        self._waiting = waiting[whole:]
        done = [self._next(hop) for hop in waiting[:whole].reshape(-1, HOP)]
        if done and not self._begun:
            # It belongs to what came before the first sample.
            self._begun = True
            done = done[1:]
        if not done:
            return b""
        return np.concatenate(done).clip(-32_768, 32_767).astype("<i2").tobytes()

    def _next(self, hop: Floats) -> Floats:
        """The samples before these, now that they have been in two windows."""
        window = np.concatenate((self._heard, hop))
        self._heard = hop
        spectrum = np.fft.rfft(window * _WINDOW)
        power = spectrum.real**2 + spectrum.imag**2
        noise = self._noise.under(power)
        now = np.maximum(power / noise - 1, 0)
        stands_out = REMEMBERED * self._kept / noise + (1 - REMEMBERED) * now
        gain = np.maximum(stands_out / (1 + stands_out), LEAST_GAIN)
        self._kept = gain**2 * power
        cleaned = np.fft.irfft(gain * spectrum) * _WINDOW
        done = self._rest + cleaned[:HOP]
        self._rest = cleaned[HOP:]
        return done


class _Noise:
    """Follows what is there all the time."""

    def __init__(self) -> None:
        self._smooth: Floats | None = None
        self._minima: list[Floats] = []
        self._frames = 0

    def under(self, power: Floats) -> Floats:
        """The noise's share of the power of each frequency."""
        smooth = power if self._smooth is None else self._smooth
        self._smooth = smooth = SMOOTHED * smooth + (1 - SMOOTHED) * power
        if self._frames % BLOCK == 0:
            self._minima = [*self._minima[-BLOCKS:], smooth]
        self._frames += 1
        self._minima[-1] = np.minimum(self._minima[-1], smooth)
        least: Floats = np.minimum.reduce(self._minima)
        return BIAS * least + SILENCE
