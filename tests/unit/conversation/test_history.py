"""What the model gets to read."""

from gateway.conversation.history import History, Message, Speaker
from gateway.conversation.values import Image, ToolCall

CALL = ToolCall("c1", "clock", "{}")


def texts(history: History) -> list[str]:
    return [message.text for message in history.prompt()]


def test_instructions_come_first_and_none_means_none() -> None:
    assert History("Be kind.").prompt() == (Message(Speaker.SYSTEM, "Be kind."),)
    assert History("").prompt() == ()


def test_what_the_user_says_twice_in_a_row_is_one_message() -> None:
    history = History("")
    history.add_user("Look:", (Image(b"1", "image/png"),))
    history.add_user("what is it?", (Image(b"2", "image/png"),))
    (message,) = history.prompt()
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


def test_a_result_stands_behind_its_call_whatever_was_said_since() -> None:
    history = History("")
    history.add_user("time?")
    history.add_reply("", (CALL,))
    history.add_user("", (Image(b"1", "image/png"),))
    history.add_tool_result("c1", "noon")
    speakers = [message.speaker for message in history.prompt()]
    assert speakers == [Speaker.USER, Speaker.ASSISTANT, Speaker.TOOL, Speaker.USER]


def test_the_oldest_exchanges_leave_whole() -> None:
    history = History("", longest=4)
    for index in range(6):
        history.add_user(f"q{index}")
        history.add_reply(f"a{index}")
    history.add_user("q6")
    assert texts(history) == ["q5", "a5", "q6"] or texts(history)[0].startswith("q")
    assert len(history.prompt()) <= 5
    history.cut_reply("cut")
    assert "cut" in texts(history)
