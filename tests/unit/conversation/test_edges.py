"""Where one thing ends while another begins: what falls between two chairs."""

from dataclasses import replace

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Endpointing,
    Failure,
    Idle,
    Initiative,
    Interrupt,
    Outcome,
    Policy,
    Stage,
    Transcript,
    TurnTaking,
)
from gateway.conversation.waterfall import Waterfall
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.talker import Talker, predicting

PUSH_TO_TALK = Policy(turns=TurnTaking(endpointing=Endpointing.MANUAL))
GONE = Failure(Stage.STT, 14, "gone")


@pytest.mark.parametrize("transcript", ["before", "after"])
def test_a_voice_whose_end_is_noticed_after_the_commit_interrupts_nothing(
    transcript: str,
) -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.tell(e.SpeechBegan(0.0))
    driver.hear(1.0)
    driver.tell(e.Committed())
    heard = e.FinalHeard(driver.ref(), Transcript("What time is it?"))
    if transcript == "before":
        driver.tell(heard)
    driver.hear(0.2)
    driver.tell(e.SpeechPaused(1.0))
    if transcript == "after":
        driver.tell(heard)
    driver.hear(5.0)
    assert outcomes(driver) == []
    assert len(driver.all(c.Transcribe)) == len(driver.all(c.Generate)) == 1


def test_a_monologue_at_its_longest_is_understood_before_it_goes_on() -> None:
    driver = Driver(replace(Policy(), longest_utterance=10.0))
    driver.tell(e.SpeechBegan(0.0))
    driver.hear(10.1)
    first = driver.ref()
    driver.hear(0.5)
    driver.tell(e.FinalHeard(first, Transcript("All that I said.")))
    driver.hear(1.0)
    driver.tell(e.SpeechPaused(driver.position))
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("And the rest.")))
    assert prompt(driver) == [("user", "All that I said. And the rest.")]


def coughed(policy: Policy | None = None) -> Driver:
    """A question whose answer was cut before its first sound, by what may be a cough."""
    driver = Driver(policy or Policy())
    driver.ask("Why?")
    driver.speak(0.3)
    assert outcomes(driver) == [Outcome.INTERRUPTED]
    return driver


@pytest.mark.parametrize("end", ["cleared", "failed", "understood as nothing"])
def test_an_answer_that_was_cut_for_nothing_is_given_after_all(end: str) -> None:
    driver = coughed()
    match end:
        case "cleared":
            driver.tell(e.Cleared())
        case "failed":
            driver.tell(e.StageFailed(driver.ref(), GONE))
            driver.hear(1.0)
        case _:
            driver.hear(0.6)
            driver.tell(e.FinalHeard(driver.ref(), Transcript("")))
    driver.hear(0.1)
    assert len(driver.all(c.Generate)) == 2
    assert prompt(driver) == [("user", "Why?")]


def test_an_answer_is_owed_until_another_one_was_given() -> None:
    idle = Idle(5.0, Initiative(say="Well?"))
    driver = coughed(Policy(idle=idle))
    driver.tell(e.Cleared())
    driver.tell(e.ReplyCancelled())
    driver.hear(6.0)
    said = driver.all(c.Speak)[-1].ref
    driver.tell(e.ClauseTaken(said, 5))
    driver.tell(e.AudioSpoken(said, 0.0, 0.5, b"x"))
    driver.tell(e.MarkSpoken(said, 5, 0.5))
    driver.tell(e.ReplySpoken(said))
    driver.hear(2.0)
    asked = len(driver.all(c.Generate))
    driver.speak(0.3)
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("")))
    driver.hear(0.5)
    assert len(driver.all(c.Generate)) == asked


def test_an_aside_that_is_never_transcribed_leaves_the_answer_as_loud_as_it_was() -> (
    None
):
    driver = Driver()
    driver.answer(driver.ask(), "x" * 100, 100.0)
    driver.hear(2.0)
    driver.speak(0.3)
    driver.hear(driver.policy.stt_timeout + 0.5)
    assert [told.ducked for told in driver.all(c.TellDucked)] == [True, False]
    assert outcomes(driver) == []


def test_a_client_that_stops_sending_in_a_pause_is_answered_all_the_same() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.2)
    driver.wait(2.0)
    assert driver.core.turn == 1


def test_what_may_not_be_interrupted_may_be_gone_on_with_before_its_first_sound() -> (
    None
):
    driver = Driver(Policy(turns=TurnTaking(interrupt=Interrupt.NEVER)))
    driver.speak(1.0)
    driver.hear(0.6)
    driver.speak(1.0)
    first, second = driver.all(c.Transcribe)
    assert first.start == second.start


def test_going_on_is_told_where_it_goes_on() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.6)
    driver.speak(1.0)
    stopped = driver.all(c.TellSpeechStopped)[0]
    first, second = driver.all(c.TellSpeechStarted)
    assert first.at < stopped.at < second.at


def waterfall(talker: Talker) -> Waterfall:
    """Of an answer that comes at once now."""
    ref = talker.draft()
    talker.write(ref, "Because.")
    talker.tell(e.ClauseTaken(ref, 8))
    talker.sound(ref)
    talker.tell(e.MarkSpoken(ref, 8, 1.0))
    talker.hear(3.0)
    talker.finish()
    made = talker.all(c.TellTurnEnded)[-1].waterfall
    assert made is not None
    return made


def test_a_draft_that_is_made_anew_is_no_slow_transcript() -> None:
    talker = Talker(predicting())
    talker.pause("Why?", likely=0.01)
    talker.hear(0.4)
    talker.tell(e.TextSaid("By the way", respond=False))
    assert waterfall(talker).stt == pytest.approx(0.0)


def test_a_draft_that_failed_is_not_put_down_to_the_gateway() -> None:
    talker = Talker(predicting())
    talker.pause("Why?", likely=0.99)
    talker.hear(1.0)
    talker.tell(e.StageFailed(talker.draft(), Failure(Stage.LLM, 14, "gone")))
    assert waterfall(talker).gateway < 0.05
