"""Notices on their way to a client."""

import pytest

from gateway.conversation.commands import TellReplyStarted, TellText
from gateway.fronts.outbox import CAPACITY, Outbox
from services.runtime.errors import TooMuch


async def test_text_that_nobody_has_read_yet_is_joined() -> None:
    outbox = Outbox()
    for notice in (
        TellText(1, "a"),
        TellText(1, "b"),
        TellReplyStarted(2),
        TellText(2, "c"),
    ):
        outbox.put(notice)
    assert [await outbox.next() for _ in range(3)] == [
        TellText(1, "ab"),
        TellReplyStarted(2),
        TellText(2, "c"),
    ]


async def test_a_client_that_does_not_read_is_let_go() -> None:
    outbox = Outbox()
    for turn in range(CAPACITY + 1):
        outbox.put(TellReplyStarted(turn))
    with pytest.raises(TooMuch, match="read them"):
        await outbox.failed()
