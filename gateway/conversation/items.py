"""What a client does to the items of the history itself."""

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answering import Answering
from gateway.conversation.memory import Memory
from gateway.conversation.values import Outcome, Refusal, Speaker

ROUNDING = 0.05
"""Seconds by which a client may be wrong about how long an answer was: it counts other samples, at another rate."""


class Items:
    """Does what a client wants done to an item, or says why not.

    Args:
        memory: holds the items.
        answering: knows what was spoken of them.
        out: takes what is to be done, in order.
    """

    def __init__(
        self, memory: Memory, answering: Answering, out: list[c.Command]
    ) -> None:
        self._memory = memory
        self._answering = answering
        self._out = out

    def change(
        self, event: e.ItemCreated | e.ItemDeleted | e.ItemTruncated, now: float
    ) -> bool:
        """Do what the client wants; returns whether that could be done."""
        match event:
            case e.ItemCreated():
                return self._create(event)
            case e.ItemDeleted(item_id):
                if not self._memory.delete(item_id):
                    return self._unknown(item_id)
                self._out.append(c.TellItemDeleted(item_id))
                return True
            case e.ItemTruncated(item_id, heard):
                return self._truncate(item_id, heard, now)

    def _create(self, event: e.ItemCreated) -> bool:
        kept = self._memory.put(event.item, event.after)
        if isinstance(kept, c.Refuse):
            self._out.append(kept)
            return False
        self._out.append(c.TellItem(kept, self._memory.before(kept.id)))
        return True

    def _truncate(self, item_id: str, heard: float, now: float) -> bool:
        """Keep of an answer what was heard; one that is under way is over then."""
        item = self._memory.item(item_id)
        if item is None:
            return self._unknown(item_id)
        answer = self._answering.answer
        current = answer is not None and answer.kept and answer.item == item_id
        length = (
            answer.playback.sent
            if answer is not None and current and answer.voiced
            else self._answering.turns.spoken.length(item_id)
        )
        if length is None or item.speaker is not Speaker.ASSISTANT:
            problem = f"nothing is known to be spoken of {item_id!r}"
            return self._refuse("item_id", problem)
        if not 0 <= heard <= length + ROUNDING:
            # By these words clients know a truncation that came too late from one that is wrong.
            has, wanted = round(length * 1000), round(heard * 1000)
            problem = f"Audio content of {has}ms is already shorter than {wanted}ms"
            return self._refuse("heard", problem)
        if current:
            self._answering.cut(Outcome.INTERRUPTED, now)
        text = self._answering.turns.spoken.text_until(item_id, heard)
        self._memory.truncate(item_id, text)
        self._out.append(c.TellItemTruncated(item_id, heard))
        return True

    def _unknown(self, item_id: str) -> bool:
        problem = f"there is no item {item_id!r}"
        return self._refuse("item_id", problem, Refusal.NO_SUCH_ITEM)

    def _refuse(self, field: str, problem: str, why: Refusal = Refusal.INVALID) -> bool:
        self._out.append(c.Refuse(field, problem, why))
        return False
