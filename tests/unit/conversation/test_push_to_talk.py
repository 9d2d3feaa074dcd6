"""Turns that end by a commit alone, with all audio since the last one."""

from dataclasses import replace

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.listening import MOST_AWAITED
from gateway.conversation.values import (
    Outcome,
    Refusal,
    Transcript,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.wishing import (
    PUSH_TO_TALK,
    refused,
    responding,
    wish,
)


def test_a_commit_takes_all_audio_since_the_last_one_voice_or_not() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.hear(1.0)
    driver.tell(e.Committed())
    (first,) = driver.all(c.TellCommitted)
    assert (first.start, first.end) == pytest.approx((0.0, 1.0), abs=0.04)
    driver.hear(0.5)
    driver.speak(1.0)
    driver.hear(0.5)
    driver.tell(e.Committed())
    transcribed = driver.all(c.Transcribe)[-1]
    assert transcribed.start == pytest.approx(first.end, abs=0.04)


def test_a_commit_of_next_to_nothing_is_refused() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.tell(e.Committed())
    assert refused(driver) == [Refusal.NOTHING_HEARD]
    driver.hear(1.0)
    driver.tell(e.Cleared())
    driver.tell(e.Committed())
    assert refused(driver) == [Refusal.NOTHING_HEARD] * 2
    assert driver.all(c.TellCommitted) == []


def test_no_more_utterances_wait_for_a_recognizer_than_a_few_and_no_audio_is_lost() -> (
    None
):
    driver = Driver(PUSH_TO_TALK)
    for _ in range(MOST_AWAITED + 1):
        driver.hear(0.5)
        driver.tell(e.Committed())
    assert refused(driver) == [Refusal.TOO_MANY]
    opened = driver.all(c.Transcribe)
    assert len(opened) == MOST_AWAITED
    driver.tell(e.FinalHeard(opened[0].ref, Transcript("Well.")))
    driver.tell(e.Committed())
    assert driver.all(c.TellCommitted)[-1].start == pytest.approx(
        MOST_AWAITED * 0.5, abs=0.1
    )


def test_audio_that_may_be_committed_is_kept_up_to_the_longest_utterance() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.hear(20.0)
    assert driver.core.needed_from <= 0.0
    driver.hear(60.0)
    longest = driver.policy.longest_utterance
    assert driver.core.needed_from == pytest.approx(
        driver.position - longest, abs=driver.policy.preroll + 0.04
    )


def test_to_talk_while_an_answer_is_given_stops_nothing_and_can_be_committed() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.hear(1.0)
    driver.tell(e.Committed())
    wish(driver)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    driver.answer(driver.ref(), "x" * 50, 5.0)
    driver.speak(1.0)
    driver.tell(e.Committed())
    assert driver.all(c.TellInterrupted) == []
    driver.tell(e.FinalHeard(driver.all(c.Transcribe)[-1].ref, Transcript("And?")))
    assert outcomes(driver) == [Outcome.HEARD]
    driver.wait(6.0)
    assert outcomes(driver) == [Outcome.HEARD, Outcome.ANSWERED]


def test_a_wish_does_not_wait_for_who_has_not_committed_what_they_say() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(1.0)
    wish(driver)
    assert responding(driver) == [(1, 1)]
    driver.tell(e.ReplyCancelled())
    driver.tell(e.Committed())
    (told,) = driver.all(c.TellCommitted)
    assert told.start == 0.0


def test_a_wish_that_waits_for_two_transcripts_is_not_held_up_by_an_open_microphone() -> (
    None
):
    driver = Driver(PUSH_TO_TALK)
    for _ in range(2):
        driver.hear(1.0)
        driver.tell(e.Committed())
    wish(driver)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(1.0)
    for transcribed, text in zip(driver.all(c.Transcribe), ("one", "two"), strict=True):
        driver.tell(e.FinalHeard(transcribed.ref, Transcript(text)))
    assert prompt(driver) == [("user", "one two")]
    assert responding(driver) == [(2, 1)]


def test_what_nobody_commits_is_no_turn_however_long_it_lasts() -> None:
    policy = replace(PUSH_TO_TALK, longest_utterance=5.0)
    driver = Driver(policy)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(12.0)
    assert driver.all(c.TellCommitted) == []
    (opened,) = driver.all(c.Transcribe)
    assert c.CancelTranscribe(opened.ref) in driver.done
    driver.tell(e.Committed())
    (told,) = driver.all(c.TellCommitted)
    assert told.end - told.start == pytest.approx(policy.longest_utterance, abs=0.04)
    driver.tell(e.SpeechPaused(driver.position))
    driver.speak(1.0)
    assert len(driver.all(c.Transcribe)) == 3


def test_of_a_voice_that_nobody_commits_no_more_is_kept_than_can_be_committed() -> None:
    policy = replace(PUSH_TO_TALK, longest_utterance=5.0)
    driver = Driver(policy)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(30.0)
    kept = driver.position - driver.core.needed_from
    assert kept <= policy.longest_utterance + policy.preroll + 0.04


def test_what_was_not_committed_by_the_end_is_no_turn() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.speak(1.0)
    driver.tell(e.InputEnded())
    assert driver.all(c.TellCommitted) == []
    assert [close.turns for close in driver.all(c.Close)] == [0]


def test_words_that_were_too_quiet_to_be_noticed_are_committed_too() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.speak(1.0)
    driver.hear(2.0)
    asked = driver.all(c.TakeCheckpoint)[-1]
    driver.tell(e.CheckpointHeard(asked.ref, asked.id, Transcript("Loud.")))
    done = driver.tell(e.Committed())
    assert c.ResumeTranscribe(asked.ref) in done
    driver.tell(e.FinalHeard(asked.ref, Transcript("Loud. And quiet.")))
    (told,) = driver.all(c.TellTranscript)
    assert told.transcript.text == "Loud. And quiet."


def test_what_was_said_into_an_answer_before_a_clear_is_not_heard_when_it_is_over() -> (
    None
):
    driver = Driver(PUSH_TO_TALK)
    wish(driver)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(2.0)
    driver.tell(e.Cleared())
    cleared = driver.position
    driver.tell(e.ReplyCancelled())
    driver.hear(1.0)
    (told,) = driver.all(c.TellSpeechStarted)
    assert told.at == pytest.approx(cleared, abs=0.04)
