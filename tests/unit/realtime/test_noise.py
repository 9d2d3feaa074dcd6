import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fronts.realtime.noise import HOP, NoiseReduction
from tests.microphone import RATE, SPEECH, recording

SPOKEN = np.frombuffer(recording(SPEECH).samples, "<i2").astype(np.float64)


def hiss(samples: int, level: float) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(samples) * level


def cleaned(samples: np.ndarray, size: int = 1_280) -> np.ndarray:
    reduction = NoiseReduction()
    data = samples.clip(-32_768, 32_767).astype("<i2").tobytes()
    pieces = [
        reduction.push(data[start : start + size])
        for start in range(0, len(data), size)
    ]
    return np.frombuffer(b"".join(pieces), "<i2").astype(np.float64)


def loudness(samples: np.ndarray) -> float:
    return float(10 * np.log10((samples**2).mean() + 1e-9))


@pytest.mark.parametrize("level", [60, 300, 3_000])
def test_noise_gets_quieter(level: float) -> None:
    noise = hiss(4 * RATE, level)
    settled = slice(2 * RATE, None)
    gone = loudness(noise[settled]) - loudness(cleaned(noise)[settled])
    assert gone == pytest.approx(12, abs=1.5)


def test_a_voice_stays_what_it_was_and_where_it_was() -> None:
    heard = cleaned(SPOKEN)
    spoken = SPOKEN[: len(heard)]
    assert loudness(heard) == pytest.approx(loudness(spoken), abs=0.5)
    assert np.corrcoef(heard, spoken)[0, 1] > 0.99


def test_a_voice_stands_out_more_than_before() -> None:
    noisy = SPOKEN + hiss(len(SPOKEN), 10 ** (loudness(SPOKEN) / 20) / 3)
    heard = cleaned(noisy)
    spoken = SPOKEN[: len(heard)]
    assert loudness(heard - spoken) < loudness(noisy[: len(heard)] - spoken) - 3


def test_silence_stays_silent_and_the_loudest_does_not_turn_over() -> None:
    assert not cleaned(np.zeros(RATE)).any()
    square = np.where(np.arange(RATE) // 40 % 2, 32_767.0, -32_768.0)
    heard = cleaned(square)
    assert np.corrcoef(heard, square[: len(heard)])[0, 1] > 0.8


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=20))
@settings(max_examples=50)
def test_pieces_of_any_size_sound_the_same(sizes: list[int]) -> None:
    said = SPOKEN[: sum(sizes)].astype("<i2").tobytes()
    reduction, heard, at = NoiseReduction(), b"", 0
    for size in sizes:
        heard += reduction.push(said[at : at + 2 * size])
        at += 2 * size
    whole = NoiseReduction().push(said)
    assert heard == whole
    assert 0 <= len(said) - len(heard) < 2 * 2 * HOP
