"""A gateway that goes away: who is speaking may finish, and is answered; nothing more is begun."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Ending,
    Item,
    Outcome,
    Policy,
    Speaker,
    ToolCall,
    Transcript,
    Usage,
    Wish,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.wishing import PUSH_TO_TALK

DRAIN = e.InputEnded(Ending.DRAINING)


def closings(driver: Driver) -> list[Ending]:
    return [close.why for close in driver.all(c.Close)]


def answered(driver: Driver, text: str = "Hm.") -> None:
    driver.answer(driver.ref(), text, 0.5)
    driver.wait(1.0)


def call_a_tool(driver: Driver) -> None:
    ref = driver.ask("What time is it?")
    driver.tell(e.ToolCalled(ref, ToolCall("call_1", "clock", "{}")))
    driver.tell(e.ReplyWritten(ref, Usage()))
    driver.wait(1.0)
    assert outcomes(driver) == [Outcome.TOOL_CALLS]


def test_an_idle_conversation_ends_at_once() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "Because.", 0.5)
    driver.wait(1.0)
    driver.tell(DRAIN)
    assert closings(driver) == [Ending.DRAINING]


def test_who_is_speaking_is_heard_to_the_end_and_answered() -> None:
    driver = Driver()
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(1.0)
    driver.tell(DRAIN)
    driver.hear(2.0)
    assert driver.all(c.TellCommitted) == closings(driver) == []
    driver.tell(e.SpeechPaused(driver.position))
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why is that?")))
    assert prompt(driver) == [("user", "Why is that?")]
    answered(driver)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_who_speaks_into_the_last_answer_begins_no_other_turn() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 40, 4.0)
    driver.tell(DRAIN)
    driver.speak(2.0)
    driver.hear(2.0)
    driver.wait(1.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]
    assert len(driver.all(c.Transcribe)) == 1


def test_what_was_begun_to_be_said_into_the_last_answer_is_dropped() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 40, 4.0)
    driver.wait(0.5)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(0.5)
    assert [ducked.ducked for ducked in driver.all(c.TellDucked)] == [True]
    driver.tell(DRAIN)
    assert [ducked.ducked for ducked in driver.all(c.TellDucked)] == [True, False]
    driver.hear(5.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_what_is_written_into_the_last_answer_begins_no_other_turn() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 40, 4.0)
    driver.tell(DRAIN)
    driver.tell(e.TextSaid("And then?", respond=True))
    assert closings(driver) == []
    driver.wait(5.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_who_holds_the_button_is_waited_for() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.speak(1.0)
    driver.tell(DRAIN)
    driver.hear(1.0)
    assert closings(driver) == []
    driver.tell(e.Committed())
    driver.tell(e.Respond(Wish(1)))
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    answered(driver)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_a_tool_that_was_called_may_return() -> None:
    driver = Driver()
    call_a_tool(driver)
    driver.tell(DRAIN)
    driver.wait(5.0)
    assert closings(driver) == []
    driver.tell(e.ToolReturned("call_1", "noon"))
    answered(driver, "Noon.")
    assert outcomes(driver) == [Outcome.TOOL_CALLS, Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_a_tool_that_does_not_return_is_answered_without_and_then_it_ends() -> None:
    driver = Driver(Policy(tool_timeout=60.0))
    call_a_tool(driver)
    driver.tell(DRAIN)
    driver.wait(61.0)
    answered(driver, "Who knows.")
    assert outcomes(driver) == [Outcome.TOOL_CALLS, Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_who_asks_for_answers_may_ask_for_the_one_that_their_tool_was_for() -> None:
    driver = Driver(Policy(go_on=False))
    call_a_tool(driver)
    driver.tell(DRAIN)
    driver.tell(e.ItemCreated(Item("", Speaker.TOOL, "noon", call_id="call_1")))
    driver.wait(0.5)
    assert closings(driver) == []
    driver.tell(e.Respond(Wish(1)))
    answered(driver, "Noon.")
    assert outcomes(driver) == [Outcome.TOOL_CALLS, Outcome.ANSWERED]
    assert closings(driver) == [Ending.DRAINING]


def test_who_does_not_ask_for_it_is_not_waited_for_without_end() -> None:
    driver = Driver(Policy(go_on=False, tool_timeout=60.0))
    call_a_tool(driver)
    driver.tell(DRAIN)
    driver.wait(58.0)
    assert closings(driver) == []
    driver.wait(3.0)
    assert closings(driver) == [Ending.DRAINING]


@pytest.mark.parametrize("tool", [True, False])
def test_a_client_that_leaves_meanwhile_is_not_waited_for(tool: bool) -> None:
    driver = Driver()
    if tool:
        call_a_tool(driver)
    else:
        driver.tell(e.SpeechBegan(driver.position))
        driver.hear(1.0)
    driver.tell(DRAIN)
    assert closings(driver) == []
    driver.tell(e.InputEnded())
    if not tool:
        assert len(driver.all(c.TellCommitted)) == 1
        driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
        answered(driver)
    assert closings(driver) == [Ending.DRAINING]
