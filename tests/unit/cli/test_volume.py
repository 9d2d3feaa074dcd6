"""The volume changes without a click."""

import numpy as np
import pytest

from antiphon.cli.volume import DUCKED, Volume

RATE = 24_000
RAMP = 240
"""Samples in 10 ms."""
LOUD = 20_000


def _heard(volume: Volume, samples: int, value: int = LOUD) -> list[int]:
    played = volume.apply(np.full(samples, value, "<i2").tobytes())
    return list(np.frombuffer(played, "<i2").tolist())


def test_at_full_volume_every_sample_stays_as_it_is() -> None:
    samples = np.arange(-32_768, 32_768).astype("<i2").tobytes()
    assert Volume(RATE).apply(samples) == samples


def test_a_ducked_volume_is_a_fifth_after_ten_milliseconds() -> None:
    volume = Volume(RATE)
    volume.duck(True)
    heard = _heard(volume, 2 * RAMP)
    assert heard[RAMP - 2] > LOUD * DUCKED
    assert set(heard[RAMP - 1 :]) == {round(LOUD * DUCKED)}
    assert heard == sorted(heard, reverse=True)


@pytest.mark.parametrize("block", [1, 7, 100, RAMP, 960])
def test_no_step_is_larger_than_the_ramps_however_the_device_asks(block: int) -> None:
    volume = Volume(RATE)
    heard = [LOUD]
    for ducked in (True, False, True):
        volume.duck(ducked)
        # Turned round half-way up as well.
        for _ in range(0, RAMP * 3 // 2, block):
            heard += _heard(volume, block)
    steps = np.abs(np.diff(heard))
    assert steps.max() <= LOUD * (1 - DUCKED) / RAMP + 1


def test_after_ducking_it_is_as_loud_as_before_to_the_bit() -> None:
    volume = Volume(RATE)
    volume.duck(True)
    _heard(volume, RAMP)
    volume.duck(False)
    _heard(volume, RAMP)
    assert _heard(volume, 3, 12_345) == [12_345] * 3


def test_the_volume_changes_during_silence_too() -> None:
    volume = Volume(RATE)
    volume.duck(True)
    assert set(_heard(volume, RAMP, 0)) == {0}
    assert _heard(volume, 2) == [LOUD * DUCKED] * 2
