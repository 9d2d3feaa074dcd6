"""Samples: loud or silent."""

import numpy as np
import pytest

from services.stt.audio import Recording, levels, to_float
from tests.fakes.engines import say, silence

RATE = 16_000


def samples(pcm: bytes) -> np.ndarray:
    return to_float(np.frombuffer(pcm, "<i2"))


def recording(*pieces: bytes) -> Recording:
    made = Recording(RATE)
    for piece in pieces:
        made.add(samples(piece))
    return made


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
