"""When a sample was spoken, and what has been heard of a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conversation.clocks import InputClock, PlaybackClock


def test_the_packet_that_was_not_delayed_tells_when_audio_was_spoken() -> None:
    clock = InputClock()
    clock.observe(0.04, 10.24)
    clock.observe(0.08, 10.10)
    clock.observe(0.12, 10.42)
    assert clock.instant(0.08) == pytest.approx(10.10)


def test_a_sound_card_that_drifts_is_followed() -> None:
    clock = InputClock()
    for second in range(600):
        clock.observe(float(second), 1000.0 + second * 1.001)
    assert clock.instant(599.0) == pytest.approx(1000.0 + 599 * 1.001, abs=0.07)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_nothing_was_spoken_after_it_arrived(delays: list[float]) -> None:
    clock = InputClock()
    for index, delay in enumerate(delays):
        until, arrived = (index + 1) * 0.04, 100.0 + (index + 1) * 0.04 + delay
        clock.observe(until, arrived)
        assert clock.instant(until) <= arrived + 1e-9


def test_a_clock_that_heard_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="no audio"):
        InputClock().instant(1.0)


def test_playing_waits_where_it_has_run_out_of_audio() -> None:
    clock = PlaybackClock()
    clock.send(1.0, now=10.0)
    assert clock.heard(10.5) == pytest.approx(0.5)
    assert clock.heard(15.0) == pytest.approx(1.0)
    clock.send(1.0, now=20.0)
    assert clock.heard(20.25) == pytest.approx(1.25)


def test_marks_tell_which_characters_were_heard() -> None:
    clock = PlaybackClock()
    for characters, at in ((3, 0.5), (7, 1.0)):
        clock.mark(characters, at)
    assert [clock.characters(position) for position in (0.4, 0.5, 0.9, 1.0, 9.0)] == [
        0,
        3,
        3,
        7,
        7,
    ]


def test_marks_that_go_back_are_ignored() -> None:
    clock = PlaybackClock()
    clock.mark(5, 1.0)
    clock.mark(3, 2.0)
    assert clock.characters(3.0) == 5


def test_a_gap_in_the_input_is_no_latency() -> None:
    clock = InputClock()
    for index in range(100):
        clock.observe(index * 0.04, 10.0 + index * 0.04)
    for index in range(100, 200):
        clock.observe(index * 0.04, 70.0 + index * 0.04)
    assert clock.instant(199 * 0.04) == pytest.approx(70.0 + 199 * 0.04)


def test_one_short_word_after_a_gap_is_dated_right() -> None:
    clock = InputClock()
    clock.observe(2.0, 102.0)
    for frame in range(1, 11):
        clock.observe(2.0 + frame * 0.04, 110.0 + frame * 0.04)
    assert clock.instant(2.4) == pytest.approx(110.4)


def test_a_network_that_catches_up_slowly_is_no_gap() -> None:
    clock = InputClock()
    clock.observe(2.0, 102.0)
    # Nothing came for two seconds; now it comes at three times the pace.
    for frame in range(1, 76):
        clock.observe(2.0 + frame * 0.04, 104.0 + frame * 0.04 / 3)
    assert clock.instant(5.0) == pytest.approx(105.0)
