"""A memory of its own, and what is done to it."""

from gateway.conversation.answer import Answer
from gateway.conversation.commands import Refuse
from gateway.conversation.context import Context
from gateway.conversation.history import History
from gateway.conversation.memory import INVALID_ARGUMENT, Memory
from gateway.conversation.values import (
    Failure,
    Image,
    Item,
    Outcome,
    Policy,
    Ref,
    Refusal,
    Speaker,
    Stage,
    ToolCall,
    Wish,
)
from gateway.conversation.waterfall import Stopwatch

REFUSED = Failure(Stage.LLM, INVALID_ARGUMENT, "too long")


def memory(size: int = 8192, **limits: int) -> Memory:
    return Memory(History("Be kind.", **limits), Context(size))


def asked(text: str = "Why?", **limits: int) -> Memory:
    """The user has said something, and the model is asked."""
    remembered = memory(**limits)
    remembered.user_speaks("asked", text)
    remembered.prompt()
    return remembered


def user(item_id: str, text: str = "words", *images: Image) -> Item:
    return Item(item_id, Speaker.USER, text, images)


def reply(item_id: str, text: str = "words") -> Item:
    return Item(item_id, Speaker.ASSISTANT, text)


def call(call_id: str = "c1") -> ToolCall:
    return ToolCall(call_id, "clock", "{}")


def result(item_id: str, call_id: str = "c1") -> Item:
    return Item(item_id, Speaker.TOOL, "noon", call_id=call_id)


def answer(text: str = "", *calls: ToolCall, written: bool = True) -> Answer:
    return Answer(
        Ref(1, 1),
        Policy(),
        Stopwatch(),
        0.0,
        text=text,
        tool_calls=list(calls),
        written=written,
        announced=True,
    )


def says(
    remembered: Memory,
    text: str,
    heard: str | None = None,
    outcome: Outcome = Outcome.ANSWERED,
    item_id: str = "reply",
) -> None:
    """The assistant answers, and so much of it is heard."""
    remembered.reply_begins(item_id)
    heard = text if heard is None else heard
    remembered.answered(answer(text), outcome, heard, None)


def calls_tools(remembered: Memory, *call_ids: str) -> None:
    """The assistant calls tools instead of an answer."""
    calls = [call(call_id) for call_id in call_ids]
    for one in calls:
        remembered.call(one, f"calls {one.id}")
    remembered.answered(answer("", *calls), Outcome.TOOL_CALLS, "", None)


def read(remembered: Memory, wish: Wish | None = None) -> list[str]:
    """The texts of the next prompt, behind its instructions; of calls, their ids."""
    return [
        message.text + "".join(f"<{one.id}>" for one in message.tool_calls)
        for message in remembered.prompt(wish)
        if message.speaker is not Speaker.SYSTEM
    ]


def ids(remembered: Memory) -> list[str]:
    found = []
    item_id = remembered.last_id
    while item_id is not None:
        found.append(item_id)
        item_id = remembered.before(item_id)
    return found[::-1]


def held(remembered: Memory, item_id: str) -> Item:
    item = remembered.item(item_id)
    assert item is not None
    return item


def refused(remembered: Memory, item: Item, after: str | None = None) -> Refusal:
    """Why an item is refused; nothing has changed by it."""
    before = ids(remembered)
    refuse = remembered.put(item, after)
    assert isinstance(refuse, Refuse)
    assert ids(remembered) == before
    return refuse.why
