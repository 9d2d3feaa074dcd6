"""What becomes of tool calls and of their results."""

from gateway.conversation.calls import ABANDONED, OVERDUE, PENDING
from gateway.conversation.values import (
    Item,
    Outcome,
    Refusal,
    Speaker,
)
from tests.unit.conversation.remembering import (
    answer,
    asked,
    call,
    calls_tools,
    held,
    ids,
    read,
    refused,
    result,
)


def test_the_last_result_completes_the_calls_but_once() -> None:
    remembered = asked()
    calls_tools(remembered, "c1", "c2")
    assert isinstance(remembered.put(result("r2", "c2"), None), Item)
    assert (remembered.complete(), remembered.waiting) == (False, True)
    assert remembered.take_result("c1", "one")
    assert (remembered.complete(), remembered.complete()) == (True, False)
    assert read(remembered) == ["Why?", "<c1><c2>", "noon", "one"]


def test_a_result_needs_a_call_that_has_none() -> None:
    remembered = asked()
    assert refused(remembered, result("r", "c1")) is Refusal.INVALID
    assert not remembered.take_result("c1", "noon")
    calls_tools(remembered, "c1")
    remembered.put(result("r", "c1"), None)
    assert refused(remembered, result("other", "c1")) is Refusal.INVALID
    assert not remembered.take_result("c1", "noon")


def test_a_call_of_the_clients_own_making_is_not_waited_for() -> None:
    remembered = asked()
    remembered.put(Item("call", Speaker.ASSISTANT, call=call()), None)
    assert not remembered.waiting
    assert read(remembered)[-1] == ABANDONED
    remembered.put(result("r"), None)
    assert not remembered.complete()
    assert read(remembered)[-1] == "noon"


def test_calls_that_the_user_went_on_from_are_abandoned() -> None:
    remembered = asked()
    calls_tools(remembered, "c1", "c2")
    remembered.take_result("c2", "two")
    remembered.user_speaks("on", "Never mind.")
    assert not remembered.waiting
    assert read(remembered)[1:] == ["<c1><c2>", "two", ABANDONED, "Never mind."]
    assert remembered.take_result("c1", "late")
    assert "late" not in read(remembered)


def test_what_is_said_beside_an_answer_leaves_its_calls_open() -> None:
    remembered = asked()
    remembered.call(call(), "call")
    remembered.user_speaks("beside")
    remembered.heard("beside", "Mind you.", beside=True)
    assert remembered.waiting


def test_a_noise_leaves_calls_open() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    remembered.user_speaks("noise")
    remembered.heard("noise", "")
    assert remembered.waiting


def test_an_answer_that_does_not_wait_says_so_of_its_calls() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    assert read(remembered)[-1] == PENDING
    assert remembered.waiting


def test_calls_that_are_not_answered_in_time_are_complete_without_results() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    remembered.expire()
    assert (remembered.waiting, remembered.complete()) == (False, True)
    assert remembered.take_result("c1", "late")
    remembered.user_says("And?")
    assert read(remembered)[2:] == [OVERDUE, "And?"]


def test_a_client_that_brings_a_result_late_has_it_read() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    remembered.expire()
    assert remembered.complete()
    remembered.put(result("r"), None)
    assert read(remembered)[-1] == "noon"
    assert not remembered.complete()


def test_calls_of_an_answer_that_was_given_up_are_nobodys() -> None:
    remembered = asked()
    remembered.call(call(), "call")
    assert remembered.take_result("c1", "noon")
    over = answer("", call())
    remembered.answered(over, Outcome.INTERRUPTED, "", None)
    assert not remembered.complete()
    assert not held(remembered, "call").complete


def test_calls_of_an_answer_that_was_given_up_are_read_if_they_were_made() -> None:
    remembered = asked()
    remembered.call(call(), "call")
    over = answer("", call())
    remembered.answered(over, Outcome.INTERRUPTED, "", None)
    assert read(remembered) == ["Why?"]
    assert remembered.take_result("c1", "unasked")
    remembered.put(result("r"), None)
    assert read(remembered) == ["Why?", "<c1>", "noon"]


def test_a_deleted_call_is_not_waited_for() -> None:
    remembered = asked()
    calls_tools(remembered, "c1", "c2")
    remembered.take_result("c1", "one")
    assert remembered.delete("calls c2")
    assert remembered.complete()
    assert read(remembered) == ["Why?", "<c1>", "one"]


def test_a_call_stands_where_its_answer_stood_that_was_deleted() -> None:
    remembered = asked()
    remembered.reply_begins("reply")
    remembered.note("By the way.")
    remembered.delete("reply")
    remembered.call(call(), "call")
    assert ids(remembered)[:2] == ["asked", "call"]


def test_a_deleted_result_is_missing() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    remembered.put(result("r"), None)
    remembered.delete("r")
    assert read(remembered)[-1] == ABANDONED
    assert isinstance(remembered.put(result("r"), None), Item)
