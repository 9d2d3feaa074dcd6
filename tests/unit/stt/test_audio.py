"""Samples: resampled without seams, loud or silent."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stt.audio import Recording, Resampler, levels
from tests.fakes.engines import say, silence

RATE = 16_000


def samples(pcm: bytes) -> np.ndarray:
    return Resampler(RATE, RATE).push(pcm)


def recording(*pieces: bytes) -> Recording:
    made = Recording(RATE)
    for piece in pieces:
        made.add(samples(piece))
    return made


@settings(deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 22_050, 32_000, 44_100, 48_000]),
    cuts=st.lists(st.integers(0, 15_000), max_size=8),
)
def test_resampling_in_pieces_gives_what_resampling_at_once_gives(
    rate: int, cuts: list[int]
) -> None:
    pcm = say("one two", rate)
    edges = [0, *sorted(2 * cut for cut in cuts), len(pcm)]
    resampler = Resampler(rate, RATE)
    pieces = [resampler.push(pcm[start:end]) for start, end in pairwise(edges)]
    ours = np.concatenate([*pieces, resampler.held_back()])
    whole = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    expected = soxr.resample(whole, rate, RATE, "HQ")
    assert abs(len(ours) - len(expected)) <= 1
    shared = min(len(ours), len(expected))
    assert np.max(np.abs(ours[:shared] - expected[:shared])) < 0.01


def test_what_is_held_back_may_be_asked_for_at_any_time() -> None:
    pcm = say("one two", 48_000)
    asked, unasked = Resampler(48_000, RATE), Resampler(48_000, RATE)
    for start in range(0, len(pcm), 4_000):
        ours = asked.push(pcm[start : start + 4_000])
        asked.held_back()
        assert np.array_equal(ours, unasked.push(pcm[start : start + 4_000]))


def test_levels_are_decibels_of_full_scale() -> None:
    square = np.full(640, 0.1, np.float32)
    assert levels(square, 320) == pytest.approx([-20.0, -20.0], abs=0.01)


def test_a_room_after_speech_is_silence_and_a_word_is_not() -> None:
    heard = recording(silence(0.3), say("one two"))
    end = heard.end
    assert heard.only_silence_after(end), "nothing came"
    heard.add(samples(silence(1.0)))
    assert heard.only_silence_after(end)
    heard.add(samples(say("three")))
    assert not heard.only_silence_after(end)


def test_a_weak_consonant_after_speech_is_not_silence() -> None:
    heard = recording(silence(0.3), say("one two"))
    end = heard.end
    heard.add(samples(say("three")) * 10 ** (-25 / 20))
    assert not heard.only_silence_after(end)


def test_where_speech_does_not_stand_out_nothing_is_called_silence() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE * 3).astype(np.float32) * 0.1
    heard = Recording(RATE)
    heard.add(noise)
    end = heard.end
    heard.add(noise)
    assert not heard.only_silence_after(end)


def test_quiet_seconds_count_from_the_last_speech_and_need_speech_first() -> None:
    heard = recording(silence(0.5))
    assert heard.quiet_seconds() == 0.0
    heard.add(samples(say("one")))
    assert heard.quiet_seconds() == 0.0
    heard.add(samples(silence(0.2)))
    assert heard.quiet_seconds() == pytest.approx(0.2, abs=0.021)


def test_the_quietest_point_is_in_the_pause() -> None:
    heard = recording(say("one two"), silence(0.3), say("three four"))
    pause = len(say("one two")) // 2
    cut = heard.quietest(RATE // 2, heard.end - RATE // 4)
    assert pause <= cut <= pause + 0.3 * RATE


def test_what_is_forgotten_frees_samples_and_keeps_positions() -> None:
    heard = recording(say("one two"))
    after = heard.cut(8_000, heard.end)
    heard.forget(8_000)
    assert np.array_equal(heard.cut(8_000, heard.end), after)
    heard.add(samples(say("three")))
    assert heard.end == len(say("one two") + say("three")) // 2
    assert np.array_equal(heard.cut(8_000, 8_000 + len(after)), after)
