"""Server events on their way to a client that may be slow."""

import asyncio

import pytest

from gateway.conversation.values import Ending
from gateway.fronts.realtime.outbox import CAPACITY, ROOM, ROOM_CHARACTERS, Outbox
from services.runtime.errors import TooMuch

TEXT = "response.output_text.delta"


def event(type: str = "any", **fields: object) -> dict[str, object]:
    return {"type": type, **fields}


async def test_events_leave_in_order_and_each_has_a_name_of_its_own() -> None:
    outbox = Outbox()
    outbox.put(event("one"))
    outbox.put(event("two"))
    outbox.close(Ending.CLIENT)
    first, second = await outbox.next(), await outbox.next()
    assert isinstance(first, dict) and isinstance(second, dict)
    assert (first["type"], second["type"]) == ("one", "two")
    assert first["event_id"] != second["event_id"]
    assert await outbox.next() is Ending.CLIENT


async def test_pieces_of_text_that_nobody_has_read_are_joined() -> None:
    outbox = Outbox()
    outbox.put(event(TEXT, item_id="a", delta="one "))
    outbox.put(event(TEXT, item_id="a", delta="two"))
    outbox.put(event(TEXT, item_id="b", delta="three"))
    first, second = await outbox.next(), await outbox.next()
    assert isinstance(first, dict) and isinstance(second, dict)
    assert (first["delta"], second["delta"]) == ("one two", "three")


async def test_a_client_that_reads_nothing_is_given_up() -> None:
    outbox = Outbox()
    for _ in range(CAPACITY + 1):
        outbox.put(event())
    with pytest.raises(TooMuch):
        await outbox.failed()


async def test_there_is_room_again_once_most_was_read() -> None:
    outbox = Outbox()
    for _ in range(ROOM):
        outbox.put(event())
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.next()
    await waiting


async def test_pictures_take_the_room_of_many_events() -> None:
    outbox = Outbox()
    picture = {"type": "input_image", "image_url": "x" * ROOM_CHARACTERS}
    outbox.put(event(item={"content": [picture]}))
    outbox.put(event(TEXT, item_id="a", delta="one "))
    outbox.put(event(TEXT, item_id="a", delta="two"))
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.next()
    await waiting
    await outbox.next()


async def test_the_first_reason_counts() -> None:
    outbox = Outbox()
    outbox.fail(ValueError("first"))
    outbox.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        await outbox.failed()
