"""Which line sits in which of the talker's slots."""

from collections.abc import Sequence
from typing import Any

from services.tts.engines.qwen3.talker import Talker


class Seated:
    """A line as far as the slots are concerned.

    Attributes:
        slot: where it sits; None before it joins, while it is put aside, and after it has left.
        position: how far its slot is filled.
    """

    def __init__(self) -> None:
        self.slot: int | None = None
        self.position = 0
        self._aside: tuple[Any, ...] | None = None


class Seats:
    """Gives slots to lines, the lowest first, since a step costs as much as its highest one."""

    def __init__(self, talker: Talker, slots: int) -> None:
        self._talker = talker
        self._rows: list[Seated | None] = [None] * slots

    def seat(self, rows: Sequence[Seated]) -> None:
        """Give a slot to each of these, no more than there are. What others hold is put aside if it is needed."""
        taken = set(map(id, rows))
        for row in rows:
            if row.slot is None:
                slot = self._vacant()
                if slot is None:
                    slot = self._put_aside(taken)
                self._place(row, slot)
        size = self._talker.size(len(rows))
        for row in rows:
            vacant = self._vacant()
            if (
                row.slot is not None
                and vacant is not None
                and vacant < size <= row.slot
            ):
                self._lift(row)
                self._place(row, vacant)

    def leave(self, row: Seated) -> None:
        """Free a line's slot, if it has one."""
        if row.slot is not None:
            self._rows[row.slot] = None
        row.slot, row._aside = None, None

    def _vacant(self) -> int | None:
        return next((slot for slot, row in enumerate(self._rows) if row is None), None)

    def _put_aside(self, staying: set[int]) -> int:
        row = next(row for row in self._rows if row and id(row) not in staying)
        return self._lift(row)

    def _lift(self, row: Seated) -> int:
        assert row.slot is not None
        slot = row.slot
        row._aside = self._talker.save(slot, row.position)
        self._rows[slot], row.slot = None, None
        return slot

    def _place(self, row: Seated, slot: int) -> None:
        self._rows[slot], row.slot = row, slot
        if row._aside is not None:
            self._talker.restore(slot, row._aside)
            row._aside = None
