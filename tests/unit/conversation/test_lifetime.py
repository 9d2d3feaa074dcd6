"""How a conversation ends that nobody ends, and what it says of why."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Ending,
    Idle,
    Initiative,
    Item,
    Outcome,
    Policy,
    Speaker,
    Transcript,
    Wish,
)
from tests.unit.conversation.driver import Driver, outcomes


def closings(driver: Driver) -> list[Ending]:
    return [close.why for close in driver.all(c.Close)]


@pytest.mark.parametrize("why", [Ending.CLIENT, Ending.DRAINING])
def test_whoever_ends_a_conversation_is_named(why: Ending) -> None:
    driver = Driver()
    driver.tell(e.InputEnded(why))
    assert closings(driver) == [why]


def test_a_conversation_in_which_nobody_says_anything_ends() -> None:
    driver = Driver(Policy(longest_silence=10.0))
    driver.hear(9.5)
    assert closings(driver) == []
    driver.hear(1.0)
    assert closings(driver) == [Ending.IDLE]
    assert driver.core.wake_at(driver.now) is None


def test_silence_counts_from_the_last_thing_that_either_side_said() -> None:
    driver = Driver(Policy(longest_silence=10.0))
    driver.hear(5.0)
    driver.answer(driver.ask(), "x" * 30, 3.0)
    driver.wait(3.5)
    assert outcomes(driver) == [Outcome.ANSWERED]
    driver.wait(9.0)
    assert closings(driver) == []
    driver.tell(e.TextSaid("Wait.", respond=False))
    driver.wait(9.0)
    driver.tell(e.ItemCreated(Item("mine", Speaker.USER, "Here.")))
    driver.wait(9.0)
    assert closings(driver) == []
    driver.wait(2.0)
    assert closings(driver) == [Ending.IDLE]


def test_a_user_who_is_prompted_has_as_long_again() -> None:
    idle = Idle(6.0, Initiative(say="Still there?"))
    driver = Driver(Policy(longest_silence=10.0, idle=idle))
    driver.wait(7.0)
    ref = driver.all(c.Speak)[-1].ref
    driver.tell(e.AudioSpoken(ref, 0.0, 1.0, b"sound"))
    driver.tell(e.ReplySpoken(ref))
    driver.wait(9.0)
    assert closings(driver) == []
    driver.wait(3.0)
    assert closings(driver) == [Ending.IDLE]


def test_a_conversation_that_lasts_too_long_ends_with_the_turn_in_progress() -> None:
    driver = Driver(Policy(longest=10.0))
    driver.hear(8.0)
    driver.answer(driver.ask(), "x" * 50, 5.0)
    driver.wait(2.0)
    assert closings(driver) == []
    driver.wait(4.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.TOO_LONG]


def test_who_speaks_when_it_has_lasted_too_long_is_answered_first() -> None:
    driver = Driver(Policy(longest=10.0))
    driver.hear(9.0)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(1.5)
    assert len(driver.all(c.TellCommitted)) == 1
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    driver.answer(driver.ref(), "Hm.", 0.5)
    driver.wait(1.0)
    assert closings(driver) == [Ending.TOO_LONG]


def test_an_answer_that_was_asked_for_is_given_before_the_end() -> None:
    driver = Driver(Policy(respond=False))
    driver.speak(1.0)
    driver.hear(0.6)
    driver.tell(e.Respond(Wish(1)))
    driver.tell(e.InputEnded())
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    driver.answer(driver.ref(), "Hm.", 0.5)
    driver.wait(1.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.CLIENT]


def test_what_is_still_to_be_understood_is_told_before_the_end() -> None:
    driver = Driver(Policy(respond=False))
    driver.speak(1.0)
    driver.hear(0.6)
    driver.tell(e.InputEnded())
    assert closings(driver) == []
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Goodbye.")))
    assert outcomes(driver) == [Outcome.HEARD]
    assert closings(driver) == [Ending.CLIENT]


def test_the_first_reason_to_end_is_the_one_that_is_told() -> None:
    driver = Driver(Policy(longest=10.0))
    driver.hear(9.0)
    driver.answer(driver.ask(), "x" * 50, 5.0)
    driver.wait(2.0)
    driver.tell(e.InputEnded())
    driver.wait(5.0)
    assert closings(driver) == [Ending.TOO_LONG]


def test_whoever_thinks_for_long_is_not_silent() -> None:
    driver = Driver(Policy(longest_silence=10.0, llm_timeout=30.0))
    driver.tell(e.TextSaid("Why?", respond=True))
    driver.wait(25.0)
    driver.answer(driver.ref(), "Because.", 1.0)
    driver.wait(9.0)
    assert closings(driver) == []
    driver.wait(3.0)
    assert closings(driver) == [Ending.IDLE]


def test_a_failure_after_long_is_no_end_of_the_conversation() -> None:
    driver = Driver(Policy(longest_silence=10.0, llm_timeout=30.0))
    driver.tell(e.TextSaid("Why?", respond=True))
    driver.wait(31.0)
    assert outcomes(driver) == [Outcome.FAILED]
    assert closings(driver) == []


def test_what_is_refused_breaks_no_silence() -> None:
    driver = Driver(Policy(longest_silence=10.0))
    for _ in range(3):
        driver.wait(4.0)
        driver.tell(e.ItemDeleted("nobody's"))
    assert closings(driver) == [Ending.IDLE]
