"""Which conversation gets which slot."""

import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.upstreams.slots import Slots
from services.runtime.errors import Full


def reply(slots: Slots, conversation: str) -> int:
    """A reply that is over at once."""
    with slots.generating(conversation) as number:
        return number


def test_a_conversation_keeps_its_slot_and_the_least_recently_used_one_is_given_away() -> (
    None
):
    slots = Slots(2)
    assert [reply(slots, c) for c in "abab"] == [0, 1, 0, 1]
    assert reply(slots, "c") == 0
    assert [reply(slots, c) for c in "bca"] == [1, 0, 1]


def test_a_slot_in_which_a_reply_is_written_is_never_given_to_another_conversation() -> (
    None
):
    slots = Slots(2)
    with slots.generating("a") as first:
        assert {reply(slots, c) for c in "bcde"} == {1 - first}
        with slots.generating("b"), pytest.raises(Full):
            reply(slots, "c")


def test_a_newer_reply_of_a_conversation_joins_the_older_one_in_its_slot() -> None:
    slots = Slots(2)
    with slots.generating("a") as older:
        assert reply(slots, "a") == older
        assert reply(slots, "b") != older


def test_replies_outside_a_conversation_share_nothing() -> None:
    slots = Slots(2)
    with slots.generating("") as first, slots.generating("") as second:
        assert first != second


def test_a_preparation_takes_only_what_is_idle() -> None:
    slots = Slots(2)
    limit = asyncio.Timeout(None)
    with slots.generating("a"), slots.preparing("b", limit) as second:
        assert second == 1
        for busy in "abc":
            with slots.preparing(busy, limit) as number:
                assert number is None
    with slots.preparing("c", limit) as number:
        assert number == 0


async def test_a_preparation_is_ended_for_another_conversations_reply_only() -> None:
    slots = Slots(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            with slots.preparing("a", limit):
                assert reply(slots, "a") == 0
                await asyncio.sleep(0)
                assert reply(slots, "b") == 0
                await asyncio.Event().wait()


async def test_a_preparation_that_still_gives_way_is_not_told_twice() -> None:
    slots = Slots(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            with slots.preparing("a", limit):
                assert reply(slots, "b") == 0
                try:
                    await asyncio.Event().wait()
                finally:
                    # As while its stream still closes.
                    assert limit.expired()
                    assert reply(slots, "c") == 0


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans())))
def test_no_two_conversations_ever_write_in_one_slot(
    count: int, steps: list[tuple[str, bool]]
) -> None:
    slots = Slots(count)
    with ExitStack() as open_replies:
        held: dict[str, int] = {}
        for conversation, stays in steps:
            try:
                number = reply(slots, conversation)
            except Full:
                assert len(held) == count
                continue
            assert held.get(conversation, number) == number
            assert number not in {n for c, n in held.items() if c != conversation}
            if stays:
                held[conversation] = open_replies.enter_context(
                    slots.generating(conversation)
                )
