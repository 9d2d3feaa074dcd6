"""What is kept of a conversation, item by item."""

from gateway.conversation.history import GONE, History
from gateway.conversation.prompt import Message
from gateway.conversation.values import ROOT, Image, Item, Speaker, ToolCall

CALL = ToolCall("c1", "clock", "{}")


def user(item_id: str, text: str = "words", *pictures: bytes) -> Item:
    images = tuple(Image(data, "image/png") for data in pictures)
    return Item(item_id, Speaker.USER, text, images)


def reply(item_id: str, text: str = "words") -> Item:
    return Item(item_id, Speaker.ASSISTANT, text)


def call(item_id: str, call_id: str = "c1") -> Item:
    return Item(item_id, Speaker.ASSISTANT, call=ToolCall(call_id, "clock", "{}"))


def result(item_id: str, call_id: str = "c1", text: str = "noon") -> Item:
    return Item(item_id, Speaker.TOOL, text, call_id=call_id)


def holding(*items: Item, **limits: int) -> History:
    history = History("", **limits)
    for item in items:
        history.put(item)
    return history


def ids(history: History) -> list[str]:
    """Of all items, found by going back from the last one."""
    found = []
    item_id = history.last_id
    while item_id is not None:
        found.append(item_id)
        item_id = history.before(item_id)
    return found[::-1]


def texts(history: History) -> list[str]:
    return [message.text for message in history.messages()]


def test_instructions_come_first_and_none_means_none() -> None:
    assert History("Be kind.").beginning() == (Message(Speaker.SYSTEM, "Be kind."),)
    assert History("").beginning() == ()


# --- where items stand ------------------------------------------------------------------------------------


def test_an_item_stands_where_it_was_put() -> None:
    history = holding(user("a"), reply("b"))
    history.put(user("first"), ROOT)
    history.put(user("between"), "a")
    history.put(user("last"))
    assert ids(history) == ["first", "a", "between", "b", "last"]


def test_behind_an_item_that_is_gone_is_the_beginning() -> None:
    history = holding(user("a"))
    history.put(user("b"), "gone")
    assert ids(history) == ["b", "a"]


def test_before_the_first_item_and_before_none_there_is_nothing() -> None:
    history = holding(user("a"))
    assert (history.before("a"), history.before("b")) == (None, None)
    assert (History("").last_id, history.last_id) == (None, "a")


def test_an_item_that_changes_keeps_its_place() -> None:
    history = holding(user("a", ""), reply("b"))
    history.change(user("a", "Hello."))
    history.change(user("c", "Nobody."))
    assert [history.item("a"), history.item("c")] == [user("a", "Hello."), None]
    assert ids(history) == ["a", "b"]


def test_a_removed_item_is_gone_and_may_come_back() -> None:
    history = holding(user("a"), user("b"))
    assert history.remove("a") == user("a")
    assert history.remove("a") is None
    assert not history.taken("a")
    history.put(user("a"))
    assert ids(history) == ["b", "a"]


# --- ids --------------------------------------------------------------------------------------------------


def test_ids_are_made_up_with_a_prefix_and_are_never_those_of_other_items() -> None:
    history = History("", prefix="x")
    history.put(user("item_x2"))
    assert [history.reserve(), history.reserve()] == ["item_x1", "item_x3"]


def test_a_reserved_id_is_taken_until_its_item_is_removed() -> None:
    history = History("")
    item_id = history.reserve()
    assert history.taken(item_id)
    history.put(user(item_id))
    assert history.taken(item_id)
    history.remove(item_id)
    assert not history.taken(item_id)


def test_ids_that_come_to_nothing_are_not_kept_for_ever() -> None:
    history = History("")
    first = history.reserve()
    later = [history.reserve() for _ in range(1000)]
    assert not history.taken(first)
    assert history.taken(later[-1])


# --- what is too much -------------------------------------------------------------------------------------


def exchanges(number: int) -> list[Item]:
    return [
        item
        for index in range(number)
        for item in (user(f"q{index}", f"q{index}"), reply(f"a{index}", f"a{index}"))
    ]


def test_the_oldest_exchanges_leave_whole_and_half_of_them_at_once() -> None:
    history = holding(*exchanges(4), most_items=8)
    history.forget_oldest((), ())
    assert len(ids(history)) == 8
    history.put(user("q4"))
    history.forget_oldest((), ())
    assert ids(history) == ["q3", "a3", "q4"]


def test_what_the_user_said_in_a_row_leaves_together() -> None:
    said = (*exchanges(1), user("b"), user("c"), reply("d"), user("e"), user("f"))
    history = holding(*said, most_items=6)
    history.forget_oldest((), ())
    assert ids(history) == ["e", "f"]


def test_an_exchange_that_is_longer_than_half_stays_as_long_as_it_fits() -> None:
    said = [*exchanges(1), *(user(f"b{index}") for index in range(5))]
    history = holding(*said, most_items=6)
    history.forget_oldest((), ())
    assert ids(history) == ["b0", "b1", "b2", "b3", "b4"]


def test_of_an_exchange_that_is_longer_than_the_whole_the_beginning_leaves() -> None:
    history = holding(*(reply(f"a{index}") for index in range(9)), most_items=4)
    history.forget_oldest((), ())
    assert ids(history) == ["a5", "a6", "a7", "a8"]


def test_the_oldest_exchanges_leave_too_where_there_is_too_much_text() -> None:
    said = (reply("a", "x" * 6), user("b", "x" * 3), call("c"), user("d", "x"))
    history = holding(*said, most_characters=11)
    history.forget_oldest((), ())
    assert ids(history) == ["d"]


def test_arguments_of_calls_are_text() -> None:
    arguments = ToolCall("c1", "clock", "x" * 6)
    long = Item("b", Speaker.ASSISTANT, call=arguments)
    history = holding(user("a"), long, user("c"), most_characters=12)
    history.forget_oldest((), ())
    assert ids(history) == ["c"]
    assert not history.full


def test_a_call_that_waits_for_its_result_is_not_forgotten() -> None:
    said = (user("a"), call("b"), user("c"), user("d"), user("e"))
    history = holding(*said, most_items=2)
    history.forget_oldest((), {"c1"})
    assert ids(history) == ["b", "c", "d", "e"]
    history.forget_oldest((), ())
    assert ids(history) == ["d", "e"]


def test_an_answer_under_way_is_not_forgotten() -> None:
    history = holding(user("a"), reply("b", ""), user("c"), user("d"), most_items=2)
    history.forget_oldest({"b"}, ())
    assert ids(history) == ["b", "c", "d"]


def test_a_history_is_full_where_twice_as_many_items_cannot_leave() -> None:
    history = holding(call("a"), user("b"), user("c"), most_items=2)
    history.forget_oldest((), {"c1"})
    assert not history.full
    history.put(user("d"))
    history.forget_oldest((), {"c1"})
    assert history.full


def test_a_history_is_full_of_text_likewise() -> None:
    history = holding(call("a"), reply("b", "x" * 5), most_characters=4)
    assert not history.full
    history.put(reply("c", "x"))
    assert history.full


def test_what_has_to_leave_for_what_is_supposed_is_left_out_and_stays() -> None:
    history = holding(*exchanges(4), most_items=8)
    supposed = history.messages((user("q4", "q4"),))
    assert [message.text for message in supposed] == ["q3", "a3", "q4"]
    assert len(history.messages()) == 8


def test_pictures_beyond_what_a_prompt_holds_are_forgotten_oldest_first() -> None:
    history = holding(
        user("a", "", b"a" * 6),
        reply("b", "A cat."),
        user("c", "And this?", b"b" * 4, b"c" * 6),
        most_image_bytes=10,
    )
    first, _, last = history.messages()
    assert (first.text, first.images) == (GONE, ())
    assert [image.data for image in last.images] == [b"b" * 4, b"c" * 6]


def test_a_text_stays_when_its_picture_is_forgotten() -> None:
    history = holding(
        user("a", "A cat?", b"a"), user("b", "", b"b"), most_image_bytes=1
    )
    first = history.item("a")
    assert first is not None
    assert (first.text, first.images) == ("A cat?", ())


# --- what the user said last ------------------------------------------------------------------------------


def test_unanswered_is_what_was_said_since_the_assistant_last_said_something() -> None:
    assert holding(user("a", "abc")).unanswered() == 3
    assert holding(user("a", "abc"), reply("b"), user("c", "d")).unanswered() == 1
    assert holding(user("a", "abc"), call("b"), result("c")).unanswered() == 0


def test_an_answer_that_nobody_heard_is_none() -> None:
    assert holding(user("a", "abc"), reply("b", ""), user("c", "d")).unanswered() == 4


def test_what_nobody_can_read_is_dropped_up_to_where_the_model_was_asked() -> None:
    said = (user("a"), reply("b"), user("c"), user("d"), user("later"))
    history = holding(*said)
    assert history.drop_unanswered("d") == ["c", "d"]
    assert ids(history) == ["a", "b", "later"]


def test_an_utterance_that_nobody_understood_is_not_what_could_not_be_read() -> None:
    history = holding(user("a"), user("b", ""), user("c"))
    assert history.drop_unanswered("c") == ["a", "c"]
    assert ids(history) == ["b"]


def test_what_was_answered_is_not_dropped() -> None:
    history = holding(user("a"), reply("b"))
    assert history.drop_unanswered("b") == []
    assert history.drop_unanswered("gone") == []


# --- calls ------------------------------------------------------------------------------------------------


def test_a_call_awaits_one_result() -> None:
    history = holding(call("a"))
    assert history.awaits("c1")
    history.put(result("b"))
    assert not history.awaits("c1")
    assert not history.awaits("c2")


def test_a_call_whose_id_was_used_before_awaits_its_own_result() -> None:
    history = holding(call("a"), result("b"), call("c"))
    assert history.awaits("c1")


def test_stand_ins_say_why_there_is_no_result() -> None:
    history = holding(
        user("a"), call("b", "late"), call("c", "open"), call("d", "left")
    )
    history.give_up({"late"})
    late, open_, left = history.messages(open_calls={"open"})[2:]
    assert "no result in time" in late.text
    assert "no result yet" in open_.text
    assert "went on" in left.text


def test_a_call_that_is_made_again_is_not_overdue_any_more() -> None:
    history = holding(call("a"))
    history.give_up({"c1"})
    history.remove("a")
    history.put(call("b"))
    assert "in time" not in texts(history)[-1]
