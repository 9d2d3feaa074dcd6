"""What a client cannot put into the history, and why."""

from gateway.conversation.commands import Refuse
from gateway.conversation.history import History
from gateway.conversation.values import ROOT, Item, Refusal, Speaker

MOST_UNANSWERED = 32_768
"""Characters that a client may leave for later turns."""

MOST_CHARACTERS = 32_768
"""Of one item that a client puts into the history."""


def room_for(history: History, text: str) -> bool:
    """Whether the user may write ``text`` at the end, for somebody to answer later."""
    return not history.full and history.unanswered() + len(text) <= MOST_UNANSWERED


def refusal(history: History, item: Item, after: str | None) -> Refuse | None:
    """Why a client's item cannot be put behind ``after``; None where it can.

    There is always room for a result, since nothing else closes its call.
    """
    if item.id and history.taken(item.id):
        problem = f"there is an item {item.id!r} already"
        return Refuse("item.id", problem, Refusal.ITEM_EXISTS)
    if after is not None and after != ROOT and history.item(after) is None:
        problem = f"there is no item {after!r}"
        return Refuse("previous_item_id", problem, Refusal.NO_SUCH_ITEM)
    length = len(item.text) + (len(item.call.arguments_json) if item.call else 0)
    if length > MOST_CHARACTERS:
        problem = f"has {length} characters, and may have {MOST_CHARACTERS}"
        return Refuse("item.content", problem)
    if item.speaker is Speaker.TOOL:
        if history.awaits(item.call_id):
            return None
        problem = f"no call without a result has the id {item.call_id!r}"
        return Refuse("item.call_id", problem)
    if history.full:
        problem = "there is no room for more before the answer and the tools under way are done"
        return Refuse("item", problem)
    asks = after is None and item.speaker in (Speaker.USER, Speaker.SYSTEM)
    if asks and not room_for(history, item.text):
        problem = f"more than {MOST_UNANSWERED} characters wait for an answer"
        return Refuse("item.content", problem)
    return None
