"""Where answers stand, and what is kept of them."""

import pytest

from gateway.conversation.context import TooLong
from gateway.conversation.history import GONE
from gateway.conversation.initiative import BEGINNING, SILENCE
from gateway.conversation.memory import Memory
from gateway.conversation.values import (
    Image,
    Item,
    Outcome,
    Speaker,
    Usage,
    Wish,
)
from tests.unit.conversation.remembering import (
    REFUSED,
    answer,
    asked,
    call,
    calls_tools,
    held,
    ids,
    memory,
    read,
    reply,
    says,
    user,
)

# --- the place of an answer -------------------------------------------------------------------------------


def test_what_comes_while_an_answer_is_under_way_stands_behind_it() -> None:
    remembered = asked()
    remembered.note("By the way.")
    remembered.put(user("put", "Look."), None)
    remembered.reply_begins("reply")
    remembered.note("Also.")
    remembered.call(call(), "call")
    assert ids(remembered)[:3] == ["asked", "reply", "call"]
    assert len(ids(remembered)) == 6


def test_calls_stand_behind_the_answer_and_one_another_whenever_its_text_begins() -> (
    None
):
    remembered = asked()
    remembered.call(call("c1"), "first")
    remembered.reply_begins("reply")
    remembered.call(call("c2"), "second")
    assert ids(remembered) == ["asked", "reply", "first", "second"]


def test_an_answer_under_way_is_not_forgotten_whatever_is_put_meanwhile() -> None:
    remembered = asked(most_items=4)
    remembered.reply_begins("reply")
    for index in range(9):
        remembered.put(reply(f"{index}"), None)
    remembered.answered(answer("Because."), Outcome.ANSWERED, "Because.", None)
    assert held(remembered, "reply").text == "Because."


def test_a_client_may_put_something_between_a_question_and_the_answer_to_come() -> None:
    remembered = asked()
    remembered.put(user("put"), "asked")
    remembered.reply_begins("reply")
    assert ids(remembered) == ["asked", "reply", "put"]


def test_what_the_user_says_beside_an_answer_stands_behind_it() -> None:
    remembered = asked()
    remembered.user_speaks("beside")
    remembered.heard("beside", "Mind you.", beside=True)
    says(remembered, "Because.")
    assert ids(remembered) == ["asked", "reply", "beside"]


def test_an_answer_to_what_was_deleted_stands_behind_what_was_said_before() -> None:
    remembered = asked()
    says(remembered, "Because.")
    remembered.user_speaks("deleted")
    remembered.delete("deleted")
    remembered.heard("deleted", "And?")
    remembered.reply_begins("other")
    assert ids(remembered) == ["asked", "reply", "other"]


def test_an_answer_stays_where_it_is_when_the_question_is_deleted() -> None:
    remembered = memory()
    remembered.put(user("a"), None)
    remembered.put(reply("b"), None)
    remembered.user_speaks("c", "And?")
    remembered.note("By the way.")
    remembered.delete("c")
    remembered.reply_begins("reply")
    assert ids(remembered)[:3] == ["a", "b", "reply"]


def test_an_answer_under_way_is_not_read_before_it_is_over() -> None:
    remembered = asked()
    remembered.reply_begins("reply", spoken=False)
    assert held(remembered, "reply") == Item("reply", Speaker.ASSISTANT, complete=False)
    supposed = remembered.supposing("And?")
    assert supposed is not None
    assert [message.text for message in supposed[1:]] == ["Why? And?"]


def test_what_is_supposed_is_what_is_asked_once_it_was_said() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    supposed = remembered.supposing("Well?")
    before = ids(remembered)
    assert remembered.waiting
    remembered.user_speaks("said")
    remembered.heard("said", "Well?")
    assert remembered.prompt() == supposed
    assert ids(remembered) == [*before, "said"]


# --- the end of an answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "heard", "complete"),
    [(True, "Because.", True), (True, "Be", False), (False, "Because.", False)],
)
def test_an_answer_is_complete_if_all_was_written_and_heard(
    written: bool, heard: str, complete: bool
) -> None:
    remembered = asked()
    remembered.reply_begins("reply")
    over = answer("Because.", written=written)
    remembered.answered(over, Outcome.INTERRUPTED, heard, None)
    reply = held(remembered, "reply")
    assert (reply.text, reply.complete, reply.spoken) == (heard, complete, True)


def test_an_answer_of_which_nothing_was_heard_keeps_its_place() -> None:
    remembered = asked()
    says(remembered, "Because.", heard="", outcome=Outcome.INTERRUPTED)
    assert ids(remembered) == ["asked", "reply"]
    assert read(remembered) == ["Why?"]


def test_an_answer_of_which_nothing_was_written_is_no_item() -> None:
    remembered = asked()
    says(remembered, "", outcome=Outcome.FAILED)
    assert ids(remembered) == ["asked"]


def test_an_answer_that_was_deleted_meanwhile_does_not_come_back() -> None:
    remembered = asked()
    remembered.reply_begins("reply")
    remembered.delete("reply")
    remembered.answered(answer("Because."), Outcome.ANSWERED, "Because.", None)
    remembered.cut_reply("Be")
    assert ids(remembered) == ["asked"]


def test_a_cut_reply_keeps_what_was_heard_also_after_the_user_went_on() -> None:
    remembered = asked("a")
    says(remembered, "one two three")
    remembered.user_says("b")
    remembered.cut_reply("one")
    assert read(remembered) == ["a", "one", "b"]
    assert not held(remembered, "reply").complete


def test_a_reply_cut_to_nothing_leaves_prompts_and_its_neighbours_join() -> None:
    remembered = asked("a")
    says(remembered, "one")
    remembered.user_says("b")
    remembered.cut_reply("")
    assert read(remembered) == ["a b"]


def test_a_reply_that_was_heard_after_all_is_read_where_it_was_said() -> None:
    remembered = asked("a")
    says(remembered, "one", heard="", outcome=Outcome.INTERRUPTED)
    remembered.user_says("b")
    remembered.cut_reply("one")
    assert read(remembered) == ["a", "one", "b"]


def test_the_last_reply_is_the_one_that_is_cut_also_if_nobody_heard_it() -> None:
    remembered = asked("a")
    says(remembered, "one")
    remembered.user_says("b")
    remembered.prompt()
    says(remembered, "two", heard="", outcome=Outcome.CANCELLED, item_id="other")
    remembered.cut_reply("")
    assert read(remembered) == ["a", "one", "b"]


def test_a_turn_that_nobody_knew_of_leaves_the_last_reply_the_last() -> None:
    remembered = asked("a")
    says(remembered, "one two")
    unknown = answer()
    unknown.announced = False
    remembered.answered(unknown, Outcome.EMPTY, "", None)
    remembered.cut_reply("one")
    assert read(remembered)[:2] == ["a", "one"]


def test_any_thing_that_the_assistant_said_can_be_truncated_and_nothing_else() -> None:
    remembered = asked("a")
    says(remembered, "one two")
    remembered.put(reply("put", "three four"), None)
    remembered.call(call(), "call")
    assert remembered.truncate("reply", "one")
    assert remembered.truncate("put", "three four")
    assert [held(remembered, i).complete for i in ("reply", "put")] == [False, True]
    for item_id in ("asked", "call", "gone"):
        assert not remembered.truncate(item_id, "")


# --- what cannot be read ----------------------------------------------------------------------------------


def test_what_the_model_refuses_is_forgotten_and_named() -> None:
    remembered = asked()
    says(remembered, "Because.")
    remembered.note("Look.")
    remembered.user_speaks("refused", "And?")
    asked_for = answer()
    asked_for.prompt = remembered.prompt()
    remembered.note("Later.")
    forgotten = remembered.answered(asked_for, Outcome.FAILED, "", REFUSED)
    assert forgotten[-1] == "refused"
    assert read(remembered) == ["Why?", "Because.", "Later."]


def test_what_the_model_refuses_of_a_wish_leaves_the_history_alone() -> None:
    remembered = asked()
    asked_for = answer()
    asked_for.prompt = remembered.prompt(Wish(1, items=(user("own"),)))
    assert remembered.answered(asked_for, Outcome.FAILED, "", REFUSED) == []
    assert read(remembered) == ["Why?"]


# --- wishes, instructions, cues ---------------------------------------------------------------------------


def instructions(remembered: Memory, wish: Wish | None = None) -> list[str]:
    return [
        message.text
        for message in remembered.prompt(wish)
        if message.speaker is Speaker.SYSTEM
    ]


def test_instructions_may_change() -> None:
    remembered = asked()
    remembered.instruct("Be brief.")
    assert instructions(remembered) == ["Be brief."]
    assert [message.text for message in remembered.beginning()] == ["Be brief."]
    remembered.instruct("")
    assert instructions(remembered) == []


def test_a_wish_has_instructions_of_its_own_or_the_conversations() -> None:
    remembered = asked()
    assert instructions(remembered, Wish(1, instructions="Shout.")) == ["Shout."]
    assert instructions(remembered, Wish(2, instructions="")) == []
    assert instructions(remembered, Wish(3)) == ["Be kind."]
    assert read(remembered, Wish(4, instructions="Shout.")) == ["Why?"]


def test_a_wishs_items_are_all_that_is_read_and_are_not_kept() -> None:
    remembered = asked()
    own = (reply("a", "Hi."), user("b", "Who?"))
    assert read(remembered, Wish(1, items=own)) == [BEGINNING, "Hi.", "Who?"]
    assert read(remembered, Wish(2, items=())) == [BEGINNING]
    assert ids(remembered) == ["asked"]


def test_a_wish_that_is_too_long_is_refused() -> None:
    remembered = memory(size=400)
    with pytest.raises(TooLong):
        remembered.prompt(Wish(1, items=(user("a", "word " * 400),)))
    with pytest.raises(TooLong):
        remembered.prompt(Wish(2, instructions="word " * 400))


def test_a_wishs_pictures_fit_into_a_message_too() -> None:
    remembered = memory(most_image_bytes=10)
    old, new = Image(b"a" * 6, "image/png"), Image(b"b" * 6, "image/png")
    own = (user("a", "", old), reply("b", "A cat."), user("c", "And this?", new))
    prompt = remembered.prompt(Wish(1, items=own))
    assert [message.images for message in prompt[1:]] == [(), (), (new,)]
    assert prompt[1].text == GONE


def test_an_empty_history_is_answered_as_a_beginning_and_an_answer_as_a_silence() -> (
    None
):
    remembered = memory()
    assert read(remembered) == [BEGINNING]
    says(remembered, "Hello.")
    assert read(remembered) == [BEGINNING, "Hello.", SILENCE]
    says(remembered, "Still there?", item_id="other")
    assert read(remembered)[:-1] == [BEGINNING, "Hello.", SILENCE, "Still there?"]


def test_nothing_is_read_anew_where_prompts_begin_as_before() -> None:
    remembered = asked()
    before = remembered.prompt()
    says(remembered, "Because.")
    assert remembered.anew(before) is None


def test_what_the_model_counts_is_learnt() -> None:
    remembered = memory(size=400)
    remembered.user_says("word " * 150)
    over = answer("Yes.")
    over.prompt = remembered.prompt()
    over.usage = Usage(prompt=360)
    remembered.reply_begins("reply")
    remembered.answered(over, Outcome.ANSWERED, "Yes.", None)
    remembered.user_says("word " * 180)
    with pytest.raises(TooLong):
        remembered.prompt()
