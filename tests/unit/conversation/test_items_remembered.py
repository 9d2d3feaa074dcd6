"""What a conversation remembers of what is said, put, called, heard and cut."""

import pytest

from gateway.conversation.answer import Answer
from gateway.conversation.calls import ABANDONED, OVERDUE, PENDING
from gateway.conversation.commands import Refuse
from gateway.conversation.context import Context, TooLong
from gateway.conversation.history import GONE, History
from gateway.conversation.initiative import BEGINNING, SILENCE
from gateway.conversation.memory import (
    INVALID_ARGUMENT,
    MOST_CHARACTERS,
    MOST_UNANSWERED,
    Memory,
)
from gateway.conversation.values import (
    ROOT,
    Failure,
    Image,
    Item,
    Outcome,
    Policy,
    Ref,
    Refusal,
    Speaker,
    Stage,
    ToolCall,
    Usage,
    Wish,
)
from gateway.conversation.waterfall import Stopwatch

REFUSED = Failure(Stage.LLM, INVALID_ARGUMENT, "too long")


def memory(size: int = 8192, **limits: int) -> Memory:
    return Memory(History("Be kind.", **limits), Context(size))


def asked(text: str = "Why?", **limits: int) -> Memory:
    """The user has said something, and the model is asked."""
    remembered = memory(**limits)
    remembered.user_speaks("asked", text)
    remembered.prompt()
    return remembered


def user(item_id: str, text: str = "words", *images: Image) -> Item:
    return Item(item_id, Speaker.USER, text, images)


def reply(item_id: str, text: str = "words") -> Item:
    return Item(item_id, Speaker.ASSISTANT, text)


def call(call_id: str = "c1") -> ToolCall:
    return ToolCall(call_id, "clock", "{}")


def result(item_id: str, call_id: str = "c1") -> Item:
    return Item(item_id, Speaker.TOOL, "noon", call_id=call_id)


def answer(text: str = "", *calls: ToolCall, written: bool = True) -> Answer:
    return Answer(
        Ref(1, 1),
        Policy(),
        Stopwatch(),
        0.0,
        text=text,
        tool_calls=list(calls),
        written=written,
        announced=True,
    )


def says(
    remembered: Memory,
    text: str,
    heard: str | None = None,
    outcome: Outcome = Outcome.ANSWERED,
    item_id: str = "reply",
) -> None:
    """The assistant answers, and so much of it is heard."""
    remembered.reply_begins(item_id)
    heard = text if heard is None else heard
    remembered.answered(answer(text), outcome, heard, None)


def calls_tools(remembered: Memory, *call_ids: str) -> None:
    """The assistant calls tools instead of an answer."""
    calls = [call(call_id) for call_id in call_ids]
    for one in calls:
        remembered.call(one, f"calls {one.id}")
    remembered.answered(answer("", *calls), Outcome.TOOL_CALLS, "", None)


def read(remembered: Memory, wish: Wish | None = None) -> list[str]:
    """The texts of the next prompt, behind its instructions; of calls, their ids."""
    return [
        message.text + "".join(f"<{one.id}>" for one in message.tool_calls)
        for message in remembered.prompt(wish)
        if message.speaker is not Speaker.SYSTEM
    ]


def ids(remembered: Memory) -> list[str]:
    found = []
    item_id = remembered.last_id
    while item_id is not None:
        found.append(item_id)
        item_id = remembered.before(item_id)
    return found[::-1]


def held(remembered: Memory, item_id: str) -> Item:
    item = remembered.item(item_id)
    assert item is not None
    return item


# --- what a client puts -----------------------------------------------------------------------------------


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


def refused(remembered: Memory, item: Item, after: str | None = None) -> Refusal:
    """Why an item is refused; nothing has changed by it."""
    before = ids(remembered)
    refuse = remembered.put(item, after)
    assert isinstance(refuse, Refuse)
    assert ids(remembered) == before
    return refuse.why


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


# --- calls and results ------------------------------------------------------------------------------------


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


def test_a_deleted_result_is_missing() -> None:
    remembered = asked()
    calls_tools(remembered, "c1")
    remembered.put(result("r"), None)
    remembered.delete("r")
    assert read(remembered)[-1] == ABANDONED
    assert isinstance(remembered.put(result("r"), None), Item)


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
    remembered.answered(over, Outcome.ANSWERED, "Yes.", None)
    remembered.user_says("word " * 180)
    with pytest.raises(TooLong):
        remembered.prompt()
