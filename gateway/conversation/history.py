"""What has been said, item by item.

Only what was heard is kept of a reply: a model that believes to have said what nobody heard confuses people.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from gateway.conversation.calls import OVERDUE, PENDING
from gateway.conversation.prompt import Message, rendered
from gateway.conversation.values import Item, Speaker

GONE = "(A picture that is not shown any more.)"
"""Stands for a user's item that was nothing but pictures, once they are forgotten."""

_MOST_RESERVED = 64
"""Ids that are kept for items to come; whatever an older one was for has come to nothing."""

KEPT = 0.5
"""Of what the history may hold, once it is too much."""

_USERS = (Speaker.USER, Speaker.SYSTEM)


@dataclass(slots=True)
class History:
    """The conversation so far.

    Attributes:
        instructions: said to the model before everything else; empty for none.
        most_items: kept; beyond them the oldest leave, whole exchanges, down to half.
        most_characters: likewise; more than that no model gets to read (`gateway.conversation.context.MOST_CONTEXT`).
        most_image_bytes: pictures kept; beyond them the oldest are forgotten, so that a prompt fits into a message.
        prefix: of the numbers in the ids that are made up here.
    """

    instructions: str
    most_items: int = 400
    most_image_bytes: int = 3 * 1024 * 1024
    prefix: str = ""
    most_characters: int = 1024 * 1024
    _items: list[Item] = field(default_factory=list)
    _overdue: set[str] = field(default_factory=set)
    _made_up: int = 0
    _reserved: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_RESERVED))

    def beginning(self) -> tuple[Message, ...]:
        """What every prompt begins with."""
        return beginning(self.instructions)

    def messages(
        self, then: tuple[Item, ...] = (), open_calls: Collection[str] = ()
    ) -> tuple[Message, ...]:
        """What was said as a model is to read it, oldest first.

        Args:
            then: said behind all that is here, supposedly; what has to leave for it, is left out.
            open_calls: ids of those whose results are still waited for.
        """
        items = (*self._items, *then)
        leaving = self._leaving(items, len(items) - 1) if then else 0
        missing = dict.fromkeys(self._overdue, OVERDUE)
        missing |= dict.fromkeys(open_calls, PENDING)
        return tuple(rendered(items[leaving:], missing))

    # --- items --------------------------------------------------------------------------------------------

    @property
    def items(self) -> tuple[Item, ...]:
        """All of them, oldest first."""
        return tuple(self._items)

    @property
    def last_id(self) -> str | None:
        """Of the last item; None where there is none."""
        return self._items[-1].id if self._items else None

    @property
    def full(self) -> bool:
        """Whether there is twice as much as is kept, and nothing can leave while an answer or a tool is awaited."""
        return (
            len(self._items) >= 2 * self.most_items
            or sum(map(_size, self._items)) >= 2 * self.most_characters
        )

    def item(self, item_id: str) -> Item | None:
        """The item of that name."""
        return next((item for item in self._items if item.id == item_id), None)

    def before(self, item_id: str) -> str | None:
        """Id of the item that precedes the one named; None where it is the first, or there is none of that name."""
        index = self._index(item_id)
        return self._items[index - 1].id if index else None

    def reserve(self) -> str:
        """An id for an item to come, which no other item has or gets."""
        while True:
            self._made_up += 1
            item_id = f"item_{self.prefix}{self._made_up}"
            if self.item(item_id) is None:
                self._reserved.append(item_id)
                return item_id

    def taken(self, item_id: str) -> bool:
        """Whether an item has the id, or is to have it."""
        return item_id in self._reserved or self.item(item_id) is not None

    def put(self, item: Item, after: str | None = None) -> None:
        """Put an item behind the one named ``after``: None for the end, and `ROOT`, or one that is gone, for the beginning."""
        if item.id in self._reserved:
            self._reserved.remove(item.id)
        if after is None:
            self._items.append(item)
        else:
            index = self._index(after)
            self._items.insert(0 if index is None else index + 1, item)
        if item.call is not None:
            self._overdue.discard(item.call.id)
        if item.images:
            self._items = within(self._items, self.most_image_bytes)

    def change(self, item: Item) -> None:
        """Put an item in the place of the one of the same name; without one this does nothing."""
        index = self._index(item.id)
        if index is not None:
            self._items[index] = item

    def remove(self, item_id: str) -> Item | None:
        """Forget an item; returns it, or None where there is none of that name."""
        index = self._index(item_id)
        return None if index is None else self._items.pop(index)

    def _index(self, item_id: str) -> int | None:
        for index, item in enumerate(self._items):
            if item.id == item_id:
                return index
        return None

    # --- what is known of them ----------------------------------------------------------------------------

    def give_up(self, call_ids: Collection[str]) -> None:
        """There was no result of these calls in time."""
        known = {item.call.id for item in self._items if item.call is not None}
        self._overdue = (self._overdue | set(call_ids)) & known

    def awaits(self, call_id: str) -> bool:
        """Whether a call of that id was asked for, and the last one of them has no result."""
        for item in reversed(self._items):
            if item.speaker is Speaker.TOOL and item.call_id == call_id:
                return False
            if item.call is not None and item.call.id == call_id:
                return True
        return False

    def unanswered(self) -> int:
        """Characters that the user said or wrote since somebody last answered."""
        characters = 0
        for item in reversed(self._items):
            if item.speaker in _USERS:
                characters += len(item.text)
            elif item.speaker is Speaker.ASSISTANT and (item.text or item.call):
                break
        return characters

    # --- forgetting ---------------------------------------------------------------------------------------

    def drop_unanswered(self, last: str) -> list[str]:
        """Forget what the user said last, up to the item ``last``; returns the ids of what is forgotten.

        No model can read it, and the next prompt would hold it again.
        """
        index = self._index(last)
        dropped: list[str] = []
        while index is not None and index >= 0:
            item = self._items[index]
            if item.speaker not in _USERS:
                break
            if item.text or item.images:
                dropped.append(item.id)
                del self._items[index]
            index -= 1
        return dropped[::-1]

    def forget_oldest(self, kept: Collection[str], open_calls: Collection[str]) -> None:
        """Drop exchanges from the front when there are too many items.

        Down to half at once: each time, what upstreams have cached of the prompt is worth nothing.

        Args:
            kept: ids of items that have to stay, and all behind them.
            open_calls: ids of calls, for which the same holds.
        """
        latest = next(
            (
                index
                for index, item in enumerate(self._items)
                if item.id in kept or (item.call and item.call.id in open_calls)
            ),
            len(self._items) - 1,
        )
        del self._items[: self._leaving(self._items, latest)]

    def _leaving(self, items: Sequence[Item], latest: int) -> int:
        """How many of the oldest items leave where there are too many; the one at ``latest`` has to stay."""
        behind = [0]
        for item in reversed(items):
            behind.append(behind[-1] + _size(item))
        behind.reverse()

        def too_many(start: int, share: float) -> bool:
            return (
                len(items) - start > self.most_items * share
                or behind[start] > self.most_characters * share
            )

        if not too_many(0, 1):
            return 0
        starts = [
            index
            for index in range(1, latest + 1)
            if items[index].speaker in _USERS and items[index - 1].speaker not in _USERS
        ]
        for start in starts:
            if not too_many(start, KEPT):
                return start
        # The last exchange is longer than that; where it is too long for the whole, it does not stay whole.
        start = starts[-1] if starts else 0
        while start < latest and too_many(start, 1):
            start += 1
        return start


def beginning(instructions: str) -> tuple[Message, ...]:
    """What a prompt with these instructions begins with."""
    return (Message(Speaker.SYSTEM, instructions),) if instructions else ()


def within(items: Sequence[Item], most_image_bytes: int) -> list[Item]:
    """The items without their oldest pictures, where there are more than so many bytes of them."""
    room = most_image_bytes
    found: list[Item] = []
    for item in reversed(items):
        images = []
        for image in reversed(item.images):
            room -= len(image.data)
            if room >= 0:
                images.append(image)
        if len(images) < len(item.images):
            images.reverse()
            item = replace(item, text=item.text or GONE, images=tuple(images))
        found.append(item)
    found.reverse()
    return found


def _size(item: Item) -> int:
    """Characters of an item."""
    return len(item.text) + (len(item.call.arguments_json) if item.call else 0)
