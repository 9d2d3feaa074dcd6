"""What a track plays: everything once, in order, without clicks."""

import numpy as np
import pytest

from gateway.fronts.realtime.playout import DUCKED, EDGE, Playout, Samples

RATE = 24_000
FRAME = 480
EDGE_SAMPLES = round(EDGE * RATE)


def tone(seconds: float, frequency: float = 440.0) -> Samples:
    times = np.arange(round(seconds * RATE)) / RATE
    return (np.sin(times * frequency * 2 * np.pi) * 16_000).astype(np.int16)


def played(playout: Playout, frames: int) -> Samples:
    parts = [playout.next(FRAME) for _ in range(frames)]
    zeros = np.zeros(FRAME, np.int16)
    return np.concatenate([zeros if part is None else part for part in parts])


def largest_step(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(int))).max())


SMOOTH = largest_step(tone(1.0))
"""Between two samples of the tone itself."""


def test_what_is_put_in_is_played_once_and_in_order() -> None:
    playout, whole = Playout(RATE), tone(0.5)
    for start in range(0, len(whole), 700):
        playout.put(whole[start : start + 700])
    heard = played(playout, 25)
    assert np.array_equal(heard[EDGE_SAMPLES:], whole[EDGE_SAMPLES:])
    assert playout.next(FRAME) is not None
    assert playout.next(FRAME) is None


def test_nothing_is_played_where_there_is_nothing() -> None:
    assert Playout(RATE).next(FRAME) is None


@pytest.mark.parametrize("length", [0.1, 0.1037, 0.12, 0.0004])
def test_running_out_in_the_middle_of_a_wave_does_not_click(length: float) -> None:
    playout = Playout(RATE)
    playout.put(tone(length))
    first = played(playout, 8)
    playout.put(tone(0.1))
    heard = np.concatenate((first, played(playout, 8)))
    assert largest_step(heard) <= SMOOTH + 16_000 / EDGE_SAMPLES + 1


def test_a_cut_fades_out_within_milliseconds_and_drops_the_rest() -> None:
    playout = Playout(RATE)
    playout.put(tone(1.0))
    before = played(playout, 5)
    playout.cut()
    assert playout.waiting == 0
    after = played(playout, 3)
    assert largest_step(np.concatenate((before, after))) <= SMOOTH * 1.1
    assert not after[EDGE_SAMPLES:].any()
    assert playout.next(FRAME) is None


def test_what_follows_a_cut_is_heard_from_its_beginning() -> None:
    playout = Playout(RATE)
    playout.put(tone(1.0))
    before = played(playout, 5)
    playout.cut()
    playout.put(tone(0.2, 300))
    after = played(playout, 12)
    assert largest_step(np.concatenate((before, after))) <= SMOOTH * 1.1
    assert np.array_equal(
        after[2 * EDGE_SAMPLES : 2 * EDGE_SAMPLES + 2000],
        tone(0.2, 300)[EDGE_SAMPLES : EDGE_SAMPLES + 2000],
    )


def test_ducking_lowers_the_volume_and_raises_it_again_smoothly() -> None:
    playout = Playout(RATE)
    playout.put(tone(3.0))
    loud = played(playout, 10)
    playout.duck(True)
    quiet = played(playout, 20)
    playout.duck(False)
    again = played(playout, 20)
    assert np.abs(loud).max() == np.abs(again[-FRAME:]).max()
    expected = DUCKED * np.abs(loud).max()
    assert np.abs(quiet[-FRAME:]).max() == pytest.approx(expected, rel=0.01)
    assert largest_step(np.concatenate((loud, quiet, again))) <= SMOOTH + 20


def test_an_answer_that_begins_while_ducked_is_quiet_from_its_beginning() -> None:
    playout = Playout(RATE)
    playout.duck(True)
    assert playout.next(FRAME) is None
    playout.put(tone(0.5))
    assert np.abs(played(playout, 20)).max() <= DUCKED * 16_000 + 1
