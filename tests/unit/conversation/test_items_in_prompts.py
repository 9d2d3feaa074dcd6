"""What models get to read of what was said."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation.calls import ABANDONED
from gateway.conversation.initiative import BEGINNING, SILENCE
from gateway.conversation.prompt import NOTHING, Message, rendered, with_cue
from gateway.conversation.values import Image, Item, Speaker, ToolCall

PICTURE = Image(b"1", "image/png")


def user(text: str, *images: Image) -> Item:
    return Item("", Speaker.USER, text, images)


def system(text: str) -> Item:
    return Item("", Speaker.SYSTEM, text)


def reply(text: str) -> Item:
    return Item("", Speaker.ASSISTANT, text)


def call(call_id: str, complete: bool = True) -> Item:
    asked = ToolCall(call_id, "clock", "{}")
    return Item("", Speaker.ASSISTANT, call=asked, complete=complete)


def result(call_id: str, text: str) -> Item:
    return Item("", Speaker.TOOL, text, call_id=call_id)


def read(*items: Item) -> list[tuple[str, str]]:
    """Who says what; a message with calls says which."""
    return [
        (
            message.speaker.value,
            message.text + "".join(f"<{call.id}>" for call in message.tool_calls),
        )
        for message in rendered(items, {})
    ]


def test_what_the_user_says_in_a_row_is_one_message() -> None:
    (message,) = rendered([user("Look:", PICTURE), user("what is it?", PICTURE)], {})
    assert message == Message(Speaker.USER, "Look: what is it?", (PICTURE, PICTURE))


def test_what_the_system_says_is_the_users_in_parentheses() -> None:
    assert read(user("Hi."), reply("Hello."), system("Be brief."), user("Why?")) == [
        ("user", "Hi."),
        ("assistant", "Hello."),
        ("user", "(Be brief.) Why?"),
    ]


@pytest.mark.parametrize("nothing", [user(""), user(" "), reply(""), system("")])
def test_what_has_no_text_is_left_out(nothing: Item) -> None:
    assert read(user("a"), nothing, user("b")) == [("user", "a b")]


def test_a_picture_needs_no_text() -> None:
    assert rendered([user("", PICTURE)], {}) == [Message(Speaker.USER, "", (PICTURE,))]


# --- calls and results ------------------------------------------------------------------------------------


def test_text_and_the_calls_behind_it_are_one_message() -> None:
    said = (user("a"), reply("Let me see."), call("1"), call("2"), reply("Noon."))
    assert read(*said, result("1", "one"), result("2", "two")) == [
        ("user", "a"),
        ("assistant", "Let me see.<1><2>"),
        ("tool", "one"),
        ("tool", "two"),
        ("assistant", "Noon."),
    ]


def test_results_stand_behind_their_call_whatever_was_said_between() -> None:
    said = (user("a"), call("1"), user("b"), reply("c"), result("1", "one"))
    assert read(*said) == [
        ("user", "a"),
        ("assistant", "<1>"),
        ("tool", "one"),
        ("user", "b"),
        ("assistant", "c"),
    ]


def test_results_stand_as_they_came_and_stand_ins_behind_them() -> None:
    said = (user("a"), call("1"), call("2"), call("3"))
    assert read(*said, result("3", "three"), result("2", "two"))[2:] == [
        ("tool", "three"),
        ("tool", "two"),
        ("tool", ABANDONED),
    ]


def test_a_call_behind_a_result_is_another_message() -> None:
    said = (user("a"), call("1"), result("1", "one"), call("2"), result("2", "two"))
    assert [who for who, _ in read(*said)] == ["user", *("assistant", "tool") * 2]


def test_a_result_that_is_not_theirs_leaves_calls_together() -> None:
    assert read(user("a"), call("1"), result("0", "zero"), call("2"))[1] == (
        "assistant",
        "<1><2>",
    )


def test_a_result_without_its_call_is_left_out() -> None:
    assert read(user("a"), result("1", "one"), reply("b")) == [
        ("user", "a"),
        ("assistant", "b"),
    ]


def test_a_result_that_was_put_before_its_call_stands_behind_it() -> None:
    assert read(user("a"), result("1", "one"), call("1"))[1:] == [
        ("assistant", "<1>"),
        ("tool", "one"),
    ]


def test_a_result_is_that_of_the_last_call_with_its_id() -> None:
    said = (user("a"), call("1"), result("1", "one"), user("b"), call("1"))
    assert [text for _, text in read(*said, result("1", "other"))] == [
        "a", "<1>", "one", "b", "<1>", "other",
    ]  # fmt: skip


def test_a_second_result_is_left_out() -> None:
    said = (user("a"), call("1"), result("1", "one"), result("1", "other"))
    assert read(*said)[2:] == [("tool", "one")]


def test_a_call_that_was_given_up_is_read_if_somebody_made_it() -> None:
    given_up = (user("a"), call("1", complete=False), user("b"))
    assert read(*given_up) == [("user", "a b")]
    assert read(*given_up, result("1", "one"))[1:] == [
        ("assistant", "<1>"),
        ("tool", "one"),
        ("user", "b"),
    ]


def test_an_empty_result_is_said_to_be_empty() -> None:
    assert read(user("a"), call("1"), result("1", ""))[-1] == ("tool", NOTHING)


# --- cues -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [reply("Hi."), call("1")])
def test_the_user_has_the_first_word(first: Item) -> None:
    assert read(first)[0] == ("user", BEGINNING)


def test_between_two_answers_the_user_says_nothing() -> None:
    assert read(user("a"), reply("b"), reply("c")) == [
        ("user", "a"),
        ("assistant", "b"),
        ("user", SILENCE),
        ("assistant", "c"),
    ]


def test_nothing_is_answered_as_a_beginning_and_an_answer_as_a_silence() -> None:
    assert with_cue([]) == [Message(Speaker.USER, BEGINNING)]
    said = rendered([user("a"), reply("b")], {})
    assert with_cue(said) == [*said, Message(Speaker.USER, SILENCE)]


@pytest.mark.parametrize("last", [user("b"), call("1")])
def test_what_can_be_answered_needs_no_cue(last: Item) -> None:
    said = rendered([user("a"), last], {})
    assert with_cue(said) == said


# --- whatever is put where --------------------------------------------------------------------------------

texts = st.sampled_from(("", "a", "b c"))
ids = st.sampled_from(("1", "2", "3"))
items = st.one_of(
    st.builds(user, texts),
    st.builds(system, texts),
    st.builds(reply, texts),
    st.builds(call, ids, st.booleans()),
    st.builds(result, ids, texts),
)
histories = st.lists(items, max_size=20)


@settings(deadline=None)
@given(histories)
def test_roles_alternate_and_the_user_begins_and_is_last(said: list[Item]) -> None:
    messages = with_cue(rendered(said, {}))
    speakers = [message.speaker for message in messages]
    assert speakers[0] is Speaker.USER
    assert speakers[-1] in (Speaker.USER, Speaker.TOOL)
    for one, other in pairwise(speakers):
        assert one is not other or one is Speaker.TOOL
        assert (one, other) != (Speaker.USER, Speaker.TOOL)


@settings(deadline=None)
@given(histories)
def test_behind_each_message_with_calls_stand_their_results_and_no_others(
    said: list[Item],
) -> None:
    expected: list[str] = []
    for message in rendered(said, {}):
        if message.speaker is Speaker.TOOL:
            assert message.tool_call_id in expected
            expected.remove(message.tool_call_id)
        else:
            assert not expected
            expected = [call.id for call in message.tool_calls]
    assert not expected


@settings(deadline=None)
@given(histories)
def test_no_message_is_empty(said: list[Item]) -> None:
    assert all(
        message.text or message.tool_calls or message.images
        for message in rendered(said, {})
    )


@settings(deadline=None)
@given(histories)
def test_nothing_that_was_said_is_lost_and_it_stays_in_order(said: list[Item]) -> None:
    numbered = [
        Item("", item.speaker, f"[{index}]")
        if item.text and item.speaker is not Speaker.TOOL
        else item
        for index, item in enumerate(said)
    ]
    words = [item.text for item in numbered if item.text.startswith("[")]
    messages = " ".join(message.text for message in rendered(numbered, {}))
    assert re.findall(r"\[\d+\]", messages) == words


@settings(deadline=None)
@given(histories, st.lists(st.builds(user, texts), max_size=3))
def test_what_the_user_adds_leaves_the_beginning_of_the_prompt_as_it_was(
    said: list[Item], more: list[Item]
) -> None:
    before, after = rendered(said, {}), rendered([*said, *more], {})
    kept = len(before) - (bool(before) and before[-1].speaker is Speaker.USER)
    assert after[:kept] == before[:kept]
