"""Streams are resampled without clicks, without loss and without delay worth mentioning."""

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.resample import Resampler


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (
        np.sin(np.arange(round(rate * seconds)) * 2 * np.pi * 440 / rate) * 10_000
    ).astype(np.int16)


@pytest.mark.parametrize("source", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("target", [8_000, 16_000, 24_000, 48_000])
def test_a_tone_stays_a_tone(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    given_so_far = resampler.push(tone(source))
    whole = np.concatenate((given_so_far, resampler.flush())).astype(np.float64)
    assert abs(len(whole) - target) <= 2
    assert target - len(given_so_far) <= target * 0.003
    expected = tone(target).astype(np.float64)
    middle = slice(target // 10, target * 9 // 10)
    assert np.abs(whole[middle] - expected[middle]).max() < 60


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=20))
def test_how_it_is_cut_does_not_matter(cuts: list[int]) -> None:
    samples = tone(22_050, 2.0)
    whole, cut = Resampler(22_050, 16_000), Resampler(22_050, 16_000)
    pieces, start = [], 0
    for length in [*cuts, len(samples)]:
        pieces.append(cut.push(samples[start : start + length]))
        start += length
    together = np.concatenate([*pieces, cut.flush()])
    assert np.array_equal(
        together, np.concatenate((whole.push(samples), whole.flush()))
    )


def test_the_same_rate_is_left_alone() -> None:
    resampler = Resampler(16_000, 16_000)
    assert np.array_equal(resampler.push(tone(16_000)), tone(16_000))
    assert len(resampler.flush()) == 0


def test_a_stream_has_no_threads_of_its_own() -> None:
    # There is a conversation behind each, and there are many.
    before = psutil.Process().num_threads()
    resamplers = [Resampler(48_000, 16_000) for _ in range(8)]
    for resampler in resamplers:
        resampler.push(tone(48_000, 0.02))
    assert psutil.Process().num_threads() == before
