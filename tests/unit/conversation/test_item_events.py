"""What a client does to the items of a conversation, and what it is told of that."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    ROOT,
    Item,
    Outcome,
    Refusal,
    Speaker,
    Speculated,
    Transcript,
    Usage,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.talker import Talker

WRITTEN = Item("mine", Speaker.USER, "I am Ada.")


def refused(driver: Driver) -> list[Refusal]:
    return [refuse.why for refuse in driver.all(c.Refuse)]


def answered(text: str = "x" * 50, seconds: float = 5.0) -> tuple[Driver, str]:
    """An answer that was heard to its end, and its item."""
    driver = Driver()
    driver.answer(driver.ask("Why?"), text, seconds)
    driver.wait(seconds + 1.0)
    return driver, driver.all(c.TellReplyStarted)[-1].item


def test_an_item_is_told_where_it_stands() -> None:
    driver = Driver()
    driver.tell(e.ItemCreated(WRITTEN))
    driver.tell(e.ItemCreated(Item("", Speaker.SYSTEM, "Be quick."), ROOT))
    first, second = driver.all(c.TellItem)
    assert (first.item, first.after) == (WRITTEN, None)
    assert second.after is None
    assert driver.core.item(second.item.id) == second.item


def test_an_item_is_read_with_the_next_prompt_and_answered_by_nobody() -> None:
    driver = Driver()
    driver.tell(e.ItemCreated(WRITTEN))
    assert driver.all(c.Generate) == []
    driver.ask("Who am I?")
    assert prompt(driver) == [("user", "I am Ada. Who am I?")]


@pytest.mark.parametrize(
    ("item", "after", "why"),
    [
        (WRITTEN, None, Refusal.ITEM_EXISTS),
        (Item("other", Speaker.USER, "x"), "nowhere", Refusal.NO_SUCH_ITEM),
        (Item("r", Speaker.TOOL, "x", call_id="nobody's"), None, Refusal.INVALID),
    ],
)
def test_an_item_that_cannot_be_is_refused(
    item: Item, after: str | None, why: Refusal
) -> None:
    driver = Driver()
    driver.tell(e.ItemCreated(WRITTEN))
    driver.tell(e.ItemCreated(item, after))
    assert refused(driver) == [why]
    assert len(driver.all(c.TellItem)) == 1


def test_an_item_changes_what_a_draft_has_to_answer() -> None:
    talker = Talker()
    talker.pause("Who am I?")
    talker.tell(e.ItemCreated(WRITTEN))
    assert talker.speculated() == [Speculated.SUPERSEDED]
    assert prompt(talker) == [("user", "I am Ada. Who am I?")]


def test_an_item_that_is_deleted_is_not_read_any_more() -> None:
    driver = Driver()
    driver.tell(e.ItemCreated(WRITTEN))
    driver.tell(e.ItemDeleted("mine"))
    assert driver.all(c.TellItemDeleted) == [c.TellItemDeleted("mine")]
    driver.tell(e.ItemDeleted("mine"))
    assert refused(driver) == [Refusal.NO_SUCH_ITEM]
    driver.ask("Who am I?")
    assert prompt(driver) == [("user", "Who am I?")]


def test_an_utterance_that_is_deleted_before_it_was_understood_is_still_answered() -> (
    None
):
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.6)
    driver.tell(e.ItemDeleted(driver.all(c.TellCommitted)[-1].item))
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    driver.answer(driver.ref(), "Hm.", 0.5)
    driver.wait(1.0)
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_an_answer_that_was_not_heard_to_its_end_is_cut_there() -> None:
    driver, item = answered()
    driver.tell(e.ItemTruncated(item, 2.0))
    assert driver.all(c.TellItemTruncated) == [c.TellItemTruncated(item, 2.0)]
    kept = driver.core.item(item)
    assert kept is not None
    assert (kept.text, kept.complete) == ("x" * 20, False)
    driver.ask("Well?")
    assert prompt(driver)[1] == ("assistant", "x" * 20)


def test_any_answer_can_be_cut_not_the_last_alone() -> None:
    driver, item = answered()
    driver.answer(driver.ask("And?"), "y" * 10, 1.0)
    driver.wait(2.0)
    driver.tell(e.ItemTruncated(item, 1.0))
    driver.ask("Well?")
    assert prompt(driver)[1] == ("assistant", "x" * 10)


def test_to_cut_the_answer_in_progress_stops_it() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 50, 5.0)
    driver.wait(2.0)
    item = driver.all(c.TellReplyStarted)[-1].item
    driver.tell(e.ItemTruncated(item, 1.0))
    assert outcomes(driver) == [Outcome.INTERRUPTED]
    kept = driver.core.item(item)
    assert kept is not None
    assert kept.text == "x" * 10


def test_more_than_was_spoken_cannot_have_been_heard() -> None:
    driver, item = answered()
    driver.tell(e.ItemTruncated(item, 6.0))
    (refuse,) = driver.all(c.Refuse)
    assert refuse.why is Refusal.INVALID
    assert "5000ms" in refuse.problem
    assert driver.all(c.TellItemTruncated) == []


def test_only_what_was_spoken_by_the_assistant_can_be_cut() -> None:
    driver = Driver()
    driver.tell(e.ItemCreated(WRITTEN))
    driver.tell(e.ItemTruncated("mine", 0.0))
    driver.tell(e.ItemTruncated("nobody's", 0.0))
    assert refused(driver) == [Refusal.INVALID, Refusal.NO_SUCH_ITEM]


def test_an_answer_of_which_nothing_was_heard_keeps_its_item() -> None:
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "Because."))
    driver.tell(e.ReplyWritten(ref, Usage()))
    driver.tell(e.ReplyCancelled())
    item = driver.all(c.TellReplyStarted)[-1].item
    driver.tell(e.ItemTruncated(item, 0.0))
    assert driver.all(c.TellItemTruncated) == [c.TellItemTruncated(item, 0.0)]
