"""What the model gets to read."""

from gateway.conversation.history import GONE, History, Message
from gateway.conversation.values import Image, Speaker, ToolCall

CALL = ToolCall("c1", "clock", "{}")


def texts(history: History) -> list[str]:
    return [message.text for message in history.messages()]


def test_instructions_come_first_and_none_means_none() -> None:
    assert History("Be kind.").beginning() == (Message(Speaker.SYSTEM, "Be kind."),)
    assert History("").beginning() == ()


def test_what_the_user_says_twice_in_a_row_is_one_message() -> None:
    history = History("")
    history.add_user("Look:", (Image(b"1", "image/png"),))
    history.add_user("what is it?", (Image(b"2", "image/png"),))
    (message,) = history.messages()
    assert (message.text, len(message.images)) == ("Look: what is it?", 2)


def test_a_reply_that_nobody_heard_is_not_kept() -> None:
    history = History("")
    history.add_user("a")
    history.add_reply("")
    history.add_user("b")
    assert texts(history) == ["a b"]


def test_a_cut_reply_keeps_what_was_heard_also_after_the_user_went_on() -> None:
    history = History("")
    history.add_user("a")
    history.add_reply("one two three")
    history.add_user("b")
    history.cut_reply("one")
    assert texts(history) == ["a", "one", "b"]


def test_a_reply_cut_to_nothing_leaves_and_its_neighbours_join() -> None:
    history = History("")
    history.add_user("a")
    history.add_reply("one")
    history.add_user("b")
    history.cut_reply("")
    assert texts(history) == ["a b"]


def test_a_reply_that_was_heard_after_all_is_kept_where_nobody_has_gone_on() -> None:
    history = History("")
    history.add_user("a")
    history.nothing_heard()
    history.cut_reply("one")
    history.add_user("b")
    assert texts(history) == ["a", "one", "b"]


def test_a_reply_that_was_heard_after_all_is_too_late_behind_what_the_user_went_on_with() -> (
    None
):
    history = History("")
    history.add_user("a")
    history.nothing_heard()
    history.add_user("b")
    history.cut_reply("one")
    assert texts(history) == ["a b"]


def test_a_result_stands_behind_its_call_whatever_was_said_since() -> None:
    history = History("")
    history.add_user("time?")
    history.add_reply("", (CALL,))
    history.add_user("", (Image(b"1", "image/png"),))
    history.add_tool_result("c1", "noon")
    speakers = [message.speaker for message in history.messages()]
    assert speakers == [Speaker.USER, Speaker.ASSISTANT, Speaker.TOOL, Speaker.USER]


def test_the_oldest_exchanges_leave_whole_and_half_of_them_at_once() -> None:
    history = History("", most_messages=8)
    for index in range(4):
        history.add_user(f"q{index}")
        history.add_reply(f"a{index}")
    assert len(history.messages()) == 8
    history.add_user("q4")
    assert texts(history) == ["q3", "a3", "q4"]
    history.cut_reply("a")
    assert texts(history) == ["q3", "a", "q4"]


def test_pictures_beyond_what_a_prompt_holds_are_forgotten_oldest_first() -> None:
    history = History("", most_image_bytes=10)
    history.add_user("", (Image(b"a" * 6, "image/png"),))
    history.add_reply("A cat.")
    history.add_user("And this?", (Image(b"b" * 6, "image/png"),))
    first, _, last = history.messages()
    assert (first.text, first.images) == (GONE, ())
    assert [image.data for image in last.images] == [b"b" * 6]


def test_a_call_that_waits_for_its_result_is_not_forgotten() -> None:
    history = History("", most_messages=2)
    history.add_user("time?")
    history.add_reply("", (CALL,))
    history.add_user("And?")
    history.add_tool_result("c1", "noon")
    speakers = [message.speaker for message in history.messages()]
    assert speakers == [Speaker.USER, Speaker.ASSISTANT, Speaker.TOOL, Speaker.USER]
