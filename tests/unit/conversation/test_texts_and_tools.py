"""What is said besides speech: texts, tool results, and truths about what was heard."""

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Outcome,
    ToolCall,
    Transcript,
    Usage,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt


def test_text_is_answered_without_an_utterance() -> None:
    driver = Driver()
    driver.tell(e.TextSaid("Hello there.", respond=True))
    assert prompt(driver) == [("user", "Hello there.")]
    driver.answer(driver.ref(), "Hi.", 0.5)
    driver.wait(1.0)
    (ended,) = driver.all(c.TellTurnEnded)
    assert (ended.outcome, ended.waterfall) == (Outcome.ANSWERED, None)


def test_text_without_an_answer_waits_for_the_next_turn() -> None:
    driver = Driver()
    driver.tell(e.TextSaid("I am Ada.", respond=False))
    assert driver.all(c.Generate) == []
    driver.ask("Who am I?")
    assert prompt(driver) == [("user", "I am Ada. Who am I?")]


def call(number: int) -> ToolCall:
    return ToolCall(f"call_{number}", "clock", "{}")


def call_tools(driver: Driver, *numbers: int) -> None:
    ref = driver.ask("What time is it?")
    for number in numbers:
        driver.tell(e.ToolCalled(ref, call(number)))
    driver.tell(e.ReplyWritten(ref, Usage()))


def test_the_answer_goes_on_when_the_last_result_is_there() -> None:
    driver = Driver()
    call_tools(driver, 1, 2)
    assert outcomes(driver) == [Outcome.TOOL_CALLS]
    driver.tell(e.ToolReturned("call_2", "two"))
    assert len(driver.all(c.Generate)) == 1
    driver.tell(e.ToolReturned("call_1", "one"))
    assert prompt(driver)[-3:] == [("assistant", ""), ("tool", "two"), ("tool", "one")]


def test_a_result_for_no_call_is_refused() -> None:
    driver = Driver()
    (refused,) = driver.tell(e.ToolReturned("call_9", "nine"))
    assert isinstance(refused, c.Refuse)


def test_a_user_who_goes_on_abandons_the_calls_and_late_results_are_nothing() -> None:
    driver = Driver()
    call_tools(driver, 1)
    driver.ask("Never mind.")
    speakers = [speaker for speaker, _ in prompt(driver)]
    assert speakers == ["user", "assistant", "tool", "user"]
    assert driver.tell(e.ToolReturned("call_1", "late")) == []


def test_a_result_that_comes_while_the_user_speaks_waits_for_their_words() -> None:
    driver = Driver()
    call_tools(driver, 1)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(0.5)
    driver.tell(e.ToolReturned("call_1", "noon"))
    assert len(driver.all(c.Generate)) == 1
    driver.tell(e.SpeechPaused(driver.position))
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Well?")))
    assert [speaker for speaker, _ in prompt(driver)] == [
        "user",
        "assistant",
        "tool",
        "user",
    ]


def test_a_client_that_knows_better_cuts_the_history() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "abcdefghij", 1.0)
    driver.wait(2.0)
    driver.tell(e.ReplyTruncated(1, 0.35))
    driver.ask("Go on.")
    assert prompt(driver)[1] == ("assistant", "abc")


def test_truncating_a_turn_that_is_not_the_last_is_refused() -> None:
    driver = Driver()
    (refused,) = driver.tell(e.ReplyTruncated(3, 1.0))
    assert isinstance(refused, c.Refuse)


def test_what_is_shown_during_an_answer_stands_behind_it() -> None:
    driver = Driver()
    ref = driver.ask("Why?")
    driver.tell(e.TextSaid("By the way.", respond=False))
    driver.answer(ref, "Because.", 0.5)
    driver.wait(1.0)
    driver.ask("And?")
    assert prompt(driver) == [
        ("user", "Why?"),
        ("assistant", "Because."),
        ("user", "By the way. And?"),
    ]


def test_a_result_that_came_before_the_half_close_is_answered() -> None:
    driver = Driver()
    ref = driver.ask("What time is it?")
    driver.tell(e.ToolCalled(ref, call(1)))
    driver.tell(e.ToolReturned("call_1", "noon"))
    driver.tell(e.InputEnded())
    driver.tell(e.ReplyWritten(ref, Usage()))
    driver.answer(driver.ref(), "Noon.", 0.5)
    driver.wait(1.0)
    assert outcomes(driver) == [Outcome.TOOL_CALLS, Outcome.ANSWERED]
    assert driver.all(c.Close) == [c.Close(turns=2)]


def test_a_late_truncate_leaves_the_next_answer_alone() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "abcdefghij", 1.0)
    driver.wait(2.0)
    ref = driver.ask("Next?")
    driver.tell(e.ReplyTruncated(1, 0.35))
    assert driver.all(c.CancelReply) == []
    driver.answer(ref, "Yes.", 0.5)
    driver.wait(1.0)
    driver.ask("Go on.")
    assert ("assistant", "abc") in prompt(driver)


def test_truncating_still_works_after_a_turn_that_came_to_nothing() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "abcdefghij", 1.0)
    driver.wait(2.0)
    driver.ask("")
    driver.tell(e.ReplyTruncated(1, 0.35))
    driver.ask("Go on.")
    assert ("assistant", "abc") in prompt(driver)


def test_truncating_an_answer_of_which_nothing_was_heard_leaves_the_one_before_alone() -> (
    None
):
    driver = Driver()
    driver.answer(driver.ask(), "abcdefghij", 1.0)
    driver.wait(2.0)
    ref = driver.ask("And?")
    driver.tell(e.TextWritten(ref, "klmno"))
    driver.tell(e.ReplyCancelled())
    driver.tell(e.ReplyTruncated(2, 0.0))
    driver.ask("Go on.")
    assert ("assistant", "abcdefghij") in prompt(driver)
