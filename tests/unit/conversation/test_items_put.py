"""What clients put into a conversation, change and delete."""

import pytest

from gateway.conversation.refusals import MOST_CHARACTERS, MOST_UNANSWERED
from gateway.conversation.values import (
    ROOT,
    Item,
    Refusal,
    Speaker,
    ToolCall,
)
from tests.unit.conversation.remembering import (
    asked,
    calls_tools,
    ids,
    memory,
    read,
    refused,
    reply,
    result,
    user,
)


def test_a_clients_item_is_kept_where_it_was_put() -> None:
    remembered = asked()
    assert remembered.put(user("last", "And?"), None) == user("last", "And?")
    remembered.put(user("first", "Hi."), ROOT)
    remembered.put(reply("second", "Hello."), "first")
    assert ids(remembered) == ["first", "second", "asked", "last"]
    assert read(remembered) == ["Hi.", "Hello.", "Why? And?"]


def test_a_clients_item_without_a_name_gets_one() -> None:
    remembered = memory()
    put = remembered.put(user(""), None)
    assert isinstance(put, Item)
    assert put.id
    assert ids(remembered) == [put.id]


def test_a_name_that_is_taken_is_refused_also_for_an_item_to_come() -> None:
    remembered = asked()
    reserved = remembered.reserve()
    assert refused(remembered, user("asked")) is Refusal.ITEM_EXISTS
    assert refused(remembered, user(reserved)) is Refusal.ITEM_EXISTS


def test_behind_an_item_that_is_not_there_nothing_can_be_put() -> None:
    assert refused(asked(), user("a"), "gone") is Refusal.NO_SUCH_ITEM


def test_an_item_may_be_so_long_and_no_longer() -> None:
    remembered = memory()
    asks = ToolCall("c1", "clock", "x" * (MOST_CHARACTERS + 1))
    calls = Item("b", Speaker.ASSISTANT, call=asks)
    assert refused(remembered, calls) is Refusal.INVALID
    long = reply("a", "x" * (MOST_CHARACTERS + 1))
    assert refused(remembered, long) is Refusal.INVALID
    assert remembered.put(reply("a", "x" * MOST_CHARACTERS), None)


def test_what_waits_for_an_answer_is_bounded_however_it_came() -> None:
    remembered = memory()
    assert remembered.note("x" * (MOST_UNANSWERED - 10))
    assert not remembered.note("x" * 11)
    assert refused(remembered, user("a", "x" * 11)) is Refusal.INVALID
    assert isinstance(remembered.put(user("a", "x" * 10), None), Item)


@pytest.mark.parametrize("speaker", [Speaker.USER, Speaker.ASSISTANT])
def test_a_client_that_puts_items_for_ever_has_the_oldest_leave(
    speaker: Speaker,
) -> None:
    remembered = memory(most_items=20)
    for index in range(500):
        remembered.put(Item(f"{index}", speaker, "x"), None)
        assert len(ids(remembered)) <= 20
    assert ids(remembered)[-1] == "499"


def test_items_are_refused_where_none_can_leave() -> None:
    remembered = asked(most_items=10)
    calls_tools(remembered, "c1")
    for index in range(19):
        remembered.put(reply(f"{index}"), None)
    assert refused(remembered, reply("a")) is Refusal.INVALID
    assert not remembered.note("And?")
    assert isinstance(remembered.put(result("r"), None), Item)
    assert isinstance(remembered.put(reply("a"), None), Item)


def test_an_item_can_be_deleted_and_put_again() -> None:
    remembered = asked()
    assert remembered.delete("asked")
    assert not remembered.delete("asked")
    assert isinstance(remembered.put(user("asked", "Who?"), None), Item)
    assert read(remembered) == ["Who?"]
