"""Sounds of a room, made of numbers: the same every time."""

import numpy as np
import numpy.typing as npt

from tests.simulator.script import Sound

Samples = npt.NDArray[np.float32]

RATE = 16_000

FLOOR = -55.0
"""dBFS, root mean square: a microphone in a quiet room."""


def level(samples: Samples) -> float:
    """Root mean square of the loudest tenth of a second, in dBFS."""
    step = RATE // 10
    padded = np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)
    loudest = float(np.sqrt((padded.astype(np.float64) ** 2).mean(axis=1)).max())
    return 20 * float(np.log10(max(loudest, 1e-9)))


def at_level(samples: Samples, wanted: float) -> Samples:
    """The same, as loud as wanted."""
    return (samples * 10 ** ((wanted - level(samples)) / 20)).astype(np.float32)


def floor(count: int, random: np.random.Generator) -> Samples:
    """So many samples of what a microphone hears when there is nothing to hear."""
    return (random.standard_normal(count) * 10 ** (FLOOR / 20)).astype(np.float32)


def noise(sound: Sound, seconds: float, wanted: float) -> Samples:
    """A sound, ``float32 [n]``.

    Args:
        sound: which.
        seconds: of it.
        wanted: level in dBFS.
    """
    count = round(seconds * RATE)
    times = np.arange(count) / RATE
    random = np.random.default_rng(len(sound.value))
    match sound:
        case Sound.COUGH:
            made = np.zeros(count)
            for start, length in ((0.0, 0.22), (0.38, 0.18), (0.7, 0.2)):
                burst = _burst(times - start, attack=0.012, decay=length / 3)
                made += burst * _band(random.standard_normal(count), 300, 3_500)
        case Sound.HUM:
            made = sum(
                np.sin(2 * np.pi * hertz * times) / part
                for part, hertz in enumerate((100, 200, 300, 500), 1)
            ) * np.ones(count)
        case Sound.DOOR:
            made = _burst(times, attack=0.004, decay=0.09) * _band(
                random.standard_normal(count), 40, 400
            )
        case Sound.KEYBOARD:
            made = np.zeros(count)
            for start in np.arange(0.02, seconds, 0.13):
                made += _burst(times - start, attack=0.001, decay=0.008) * _band(
                    random.standard_normal(count), 1_500, 7_000
                )
    return at_level(made.astype(np.float32), wanted)


def _burst(
    times: npt.NDArray[np.float64], attack: float, decay: float
) -> npt.NDArray[np.float64]:
    rising = np.clip(times / attack, 0, 1)
    return np.where(times < 0, 0.0, rising * np.exp(-np.maximum(times, 0) / decay))


def _band(
    samples: npt.NDArray[np.float64], lowest: float, highest: float
) -> npt.NDArray[np.float64]:
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hertz < lowest) | (hertz > highest)] = 0
    return np.fft.irfft(spectrum, len(samples))
