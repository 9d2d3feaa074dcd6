"""Which conversation's prompt lies in which slot of a llama.cpp server.

Each slot keeps the cache of one prompt. A conversation that always comes back to its slot has only its newest words
read again; one that lands in another slot has its whole prompt read again, and evicts somebody else's.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.runtime.errors import Full


@dataclass(slots=True)
class _Slot:
    """One slot.

    Attributes:
        number: as the server counts it, from 0.
        conversation: whose prompt lies in it; empty: nobody's who would come back.
        used: when it was last taken, as a count of takings; 0: never.
        generating: replies being written in it. More than one only of one conversation, whose older reply is being
            cancelled; the server has the newer one wait for that.
        preparing: the limit of the preparation that runs in it; None once that was told to give way.
    """

    number: int
    conversation: str = ""
    used: int = 0
    generating: int = 0
    preparing: asyncio.Timeout | None = None


class Slots:
    """The slots of one server, as long as nobody else uses them."""

    def __init__(self, count: int) -> None:
        self._slots = [_Slot(number) for number in range(count)]
        self._takings = 0

    @contextmanager
    def generating(self, conversation: str) -> Iterator[int]:
        """Hold the conversation's slot for a reply.

        Its own preparation may still run there: the server finishes it first, and none of its work is lost. If no
        slot is idle, another conversation's preparation gives way.

        Raises:
            Full: replies of other conversations are being written in all slots.
        """
        slot = (
            self._own(conversation)
            or self._idle()
            or self._least([slot for slot in self._slots if not slot.generating])
        )
        if slot is None:
            raise Full(f"replies are being written in all {len(self._slots)} slots")
        if slot.preparing is not None and slot.conversation != conversation:
            slot.preparing.reschedule(asyncio.get_running_loop().time())
            # It may take a while to end, and can be told but once.
            slot.preparing = None
        self._take(slot, conversation)
        slot.generating += 1
        try:
            yield slot.number
        finally:
            slot.generating -= 1

    @contextmanager
    def preparing(
        self, conversation: str, limit: asyncio.Timeout
    ) -> Iterator[int | None]:
        """Hold the conversation's slot for a preparation; None if it is busy, or no slot is idle.

        Args:
            conversation: whose prompt is to lie there.
            limit: what the preparation runs under; it is let expire when a reply needs the slot.
        """
        slot = self._own(conversation)
        if slot is not None and (slot.generating or slot.preparing):
            slot = None
        else:
            slot = slot or self._idle()
        if slot is None:
            yield None
            return
        self._take(slot, conversation)
        slot.preparing = limit
        try:
            yield slot.number
        finally:
            if slot.preparing is limit:
                slot.preparing = None

    def _own(self, conversation: str) -> _Slot | None:
        if not conversation:
            return None
        return next((s for s in self._slots if s.conversation == conversation), None)

    def _idle(self) -> _Slot | None:
        return self._least(
            [s for s in self._slots if not s.generating and s.preparing is None]
        )

    def _least(self, slots: list[_Slot]) -> _Slot | None:
        return min(slots, key=lambda slot: slot.used, default=None)

    def _take(self, slot: _Slot, conversation: str) -> None:
        self._takings += 1
        slot.conversation = conversation
        slot.used = self._takings
