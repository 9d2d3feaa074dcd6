"""Scripted talk as real audio, faster than real time: who is cut off, who is interrupted, what is remembered.

Voice activity and the prediction of a turn's end are real; the stages are scripted, and as slow as the CPU default's.
"""

import pytest

from tests.simulator.report import figures
from tests.simulator.score import Score
from tests.simulator.simulation import Wanted, chosen, play_scripted

SCRIPT = (
    "whole-train,whole-rec-france,whole-rec-sky,cut-email-email-0.5,cut-recipe-that-0.3,cut-restaurant-the-0.5,"
    "cut-rec-meow-animal-0.3,cut-song-that-0.5,because,shopping,so-then,yes,why,"
    "mm-hmm,two-of-them,right,loud-cough,keyboard,door-and-cough,cats,wait-cats,stop,at-its-first-sound"
)


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return play_scripted(Wanted(script=chosen(SCRIPT), speed=30.0))


def told(scores: list[Score]) -> list[str]:
    return [f"{one.id}: {note}" for one in scores for note in one.notes]


def test_every_turn_of_the_script_is_played(scores: list[Score]) -> None:
    assert len(scores) == len(SCRIPT.split(","))
    assert sum(one.interruptions for one in scores) >= 4
    assert sum(one.reactions for one in scores) >= 6
    assert sum(one.cut_answers for one in scores) >= 4


def test_nobody_who_pauses_in_a_sentence_is_cut_off(scores: list[Score]) -> None:
    assert figures(scores)["cut_off_rate"] <= 0.05, told(scores)


def test_everybody_who_is_done_is_answered(scores: list[Score]) -> None:
    assert figures(scores)["missed"] == 0, told(scores)


def test_no_backchannel_and_no_noise_cuts_an_answer(scores: list[Score]) -> None:
    assert figures(scores)["false_cut_rate"] <= 0.1, told(scores)


def test_an_interruption_cuts_the_answer(scores: list[Score]) -> None:
    assert figures(scores)["not_heeded"] == 0, told(scores)


def test_no_audio_leaves_that_its_turn_was_not_decided_for(scores: list[Score]) -> None:
    assert figures(scores)["leaked"] == 0, told(scores)


def test_what_was_heard_of_an_answer_is_what_is_remembered(scores: list[Score]) -> None:
    assert figures(scores)["most_words_off"] <= 1, told(scores)


def test_hardly_a_word_is_lost_at_a_pause(scores: list[Score]) -> None:
    lost = figures(scores)["lost_rate"]
    assert lost is not None and lost <= 0.03, told(scores)
