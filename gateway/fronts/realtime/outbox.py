"""Server events on their way to a client, bounded: one that reads too slowly is let go before it costs the others."""

import asyncio
from collections import deque
from typing import Any

from gateway.conversation.values import Ending
from services.runtime.errors import TooMuch

Event = dict[str, Any]

CAPACITY = 1024
"""Events; audio is let out in real time, so a client that reads at all stays far below."""

ROOM = 256
"""Events that may wait when the next one of the client's is read: whoever asks for much has to read the answers."""

ROOM_CHARACTERS = 1024 * 1024
"""Likewise, in all; an item with a picture has millions."""

_JOINED = (
    "response.output_text.delta",
    "response.output_audio_transcript.delta",
)
"""Pieces of text that are as good in one event as in two."""

_LONG = ("text", "transcript", "image_url")
"""Fields of a part of content that can be long."""


class Outbox:
    """A queue that joins pieces of text that nobody has read yet."""

    def __init__(self) -> None:
        self._waiting: deque[Event | Ending] = deque()
        self._characters = 0
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._count = 0

    def put(self, event: Event) -> None:
        """One more event; never blocks. It gets its ``event_id`` here."""
        last = self._waiting[-1] if self._waiting else None
        self._characters += _characters(event)
        if isinstance(last, dict) and _same_text(last, event):
            last["delta"] += event["delta"]
        elif len(self._waiting) < CAPACITY:
            self._count += 1
            self._waiting.append({**event, "event_id": f"event_{self._count}"})
        else:
            self.fail(
                TooMuch(
                    f"the client has not read {CAPACITY} events; read them as they come"
                )
            )
        if len(self._waiting) >= ROOM or self._characters >= ROOM_CHARACTERS:
            self._room.clear()
        self._more.set()

    def close(self, why: Ending) -> None:
        """Nothing will follow."""
        self._waiting.append(why)
        self._more.set()

    async def room(self) -> None:
        """Wait until the client has read most of what there is for it, or has been given up."""
        await self._room.wait()

    async def next(self) -> Event | Ending:
        """The next event, or why there is none any more."""
        while not self._waiting:
            self._more.clear()
            await self._more.wait()
        event = self._waiting.popleft()
        if isinstance(event, dict):
            self._characters -= _characters(event)
        if len(self._waiting) < ROOM and self._characters < ROOM_CHARACTERS:
            self._room.set()
        return event

    @property
    def given_up(self) -> bool:
        """Whether the conversation cannot go on."""
        return self._failure is not None

    def fail(self, failure: BaseException) -> None:
        """The conversation cannot go on; the first reason given counts."""
        self._failure = self._failure or failure
        self._room.set()
        self._failed.set()

    async def failed(self) -> None:
        """Wait until the conversation cannot go on, also while an event is stuck on its way out.

        Raises:
            BaseException: what `fail` was given.
        """
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure


def _characters(event: Event) -> int:
    """Of what can be long in an event."""
    parts = event.get("item", {}).get("content", ())
    texts = (part.get(name) for part in parts for name in _LONG)
    return len(event.get("delta", "")) + sum(len(text) for text in texts if text)


def _same_text(last: Event, event: Event) -> bool:
    kind = event["type"]
    return (
        kind in _JOINED and kind == last["type"] and event["item_id"] == last["item_id"]
    )
