"""Log-mel features as Whisper's encoder reads them, of the last 8 s of an utterance, in numpy alone.

What Smart Turn v3 was trained on: 80 bands, windows of 25 ms every 10 ms, silence in front of what is shorter, and the
whole 8 s brought to mean 0 and variance 1 first. Mel bands are Slaney's, as in Whisper.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
SAMPLES = 8 * SAMPLE_RATE
"""Of the stretch that features are about."""

BANDS = 80
FRAMES = 800

_HOP = SAMPLE_RATE // 100
_WINDOW = SAMPLE_RATE // 40
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)

_LEAST_VARIANCE = 1e-7
"""Added to the variance, so that silence stays silence; the value that the model was trained with."""

_LEAST_POWER = 1e-10
_DECADES = 8.0
"""What is weaker than the strongest by more is raised to that; with the scaling below, Whisper's own."""


def log_mel(samples: Floats) -> Floats:
    """Features of the end of an utterance.

    Args:
        samples: ``float32 [n]`` in [-1, 1] at 16 kHz, of any length; the last `SAMPLES` count.

    Returns:
        ``float32 [BANDS, FRAMES]``, at most 2.0 apart.
    """
    stretch = np.zeros(SAMPLES, np.float32)
    spoken = samples[-SAMPLES:]
    silence = SAMPLES - len(spoken)
    stretch[silence:] = spoken
    stretch = (stretch - stretch.mean()) / np.sqrt(stretch.var() + _LEAST_VARIANCE)
    frames = sliding_window_view(
        np.pad(stretch, _WINDOW // 2, mode="reflect"), _WINDOW
    )[::_HOP][:FRAMES]
    # Frames that see nothing but the silence in front are all the same: one of them stands for the others.
    repeated = max(0, (silence - _WINDOW // 2) // _HOP)
    spectrum = np.fft.rfft(frames[repeated:] * _HANN)
    power = spectrum.real**2 + spectrum.imag**2
    # Not `@`: that may wake the threads of a linear algebra library, which spin.
    bands = np.einsum("mb,fb->mf", _MEL, power)
    loudness = np.log10(np.maximum(bands, _LEAST_POWER))
    loudness = np.maximum(loudness, loudness.max() - _DECADES)
    features: Floats = np.empty((BANDS, FRAMES), np.float32)
    features[:, repeated:] = (loudness + 4.0) / 4.0
    features[:, :repeated] = features[:, repeated : repeated + 1]
    return features


def _mel_filters() -> Floats:
    """Triangles over the spectrum, ``float32 [BANDS, _WINDOW // 2 + 1]``, each of the same area.

    Slaney's scale: 15 mel to 1 kHz evenly, from there 27 mel for each factor of 6.4.
    """
    top = 15 + 27 * np.log(SAMPLE_RATE / 2 / 1000) / np.log(6.4)
    mels = np.linspace(0, top, BANDS + 2)
    corners = np.where(mels < 15, mels * 1000 / 15, 1000 * 6.4 ** ((mels - 15) / 27))
    left, peak, right = (corners[i : i + BANDS, np.newaxis] for i in range(3))
    hertz = np.linspace(0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)
    rising, falling = (hertz - left) / (peak - left), (right - hertz) / (right - peak)
    triangles = np.minimum(rising, falling).clip(min=0)
    filters: Floats = (triangles * 2 / (right - left)).astype(np.float32)
    return filters


_MEL = _mel_filters()
