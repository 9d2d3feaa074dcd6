"""From what was said to messages that models take.

Models are particular about the order of a prompt: most want roles to alternate, the user to speak first, every call of
a function to have its result right behind it, and many a chat template (Gemma's) takes no instructions but the first
ones. People keep none of these rules, nor do clients that put items where they like. So the history keeps what was
said as it was said, and here it is put in order. The same items make the same messages, and what somebody says next
changes none of those before it, so that prompts go on where the last one ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.conversation.calls import ABANDONED
from gateway.conversation.initiative import BEGINNING, SILENCE
from gateway.conversation.values import Image, Item, Speaker, ToolCall

NOTHING = '""'
"""Stands for a result that is empty, since no message may be."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt.

    Attributes:
        speaker: who says it.
        text: may be empty where there are images or tool calls.
        images: shown with it.
        tool_calls: asked for with it.
        tool_call_id: on a tool's message, the call that it answers.
    """

    speaker: Speaker
    text: str = ""
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


def rendered(items: Sequence[Item], missing: Mapping[str, str]) -> list[Message]:
    """The messages that items make.

    - What the user says in a row is one message.
    - What the system says is the user's, in parentheses: in the middle of a prompt many templates take no system.
    - Calls belong to the message before them, if that is the assistant's. Their results stand right behind it, whatever
      was said between: first those that came, in their order, then stand-ins.
    - A call of an answer that was given up is left out, unless somebody made it and there is a result. A result
      without its call is left out.
    - Items without text or pictures are left out: nobody understood them, or nobody heard them, or not yet.
    - A cue stands where the assistant begins the conversation, and where it speaks twice.

    Args:
        items: oldest first.
        missing: stand-ins for results, by id of the call; `ABANDONED` where none is given.
    """
    results = _results(items)
    messages: list[Message] = []
    calls: list[int] = []

    def answer_calls() -> None:
        came = sorted(results[call] for call in calls if call in results)
        messages.extend(_result(items[i].call_id, items[i].text) for i in came)
        for asked in (items[call].call for call in calls if call not in results):
            if asked is not None:
                messages.append(_result(asked.id, missing.get(asked.id, ABANDONED)))
        calls.clear()

    for index, item in enumerate(items):
        last = messages[-1].speaker if messages else None
        if item.speaker is Speaker.TOOL:
            if any(results.get(call) == index for call in calls):
                answer_calls()
        elif item.call is not None:
            if not item.complete and index not in results:
                continue
            if last is None:
                messages.append(Message(Speaker.USER, BEGINNING))
            if last is not Speaker.ASSISTANT:
                messages.append(Message(Speaker.ASSISTANT))
            calling = messages[-1]
            messages[-1] = replace(calling, tool_calls=(*calling.tool_calls, item.call))
            calls.append(index)
        elif item.text.strip() or item.images:
            answer_calls()
            _say(messages, item)
    answer_calls()
    return messages


def with_cue(messages: Sequence[Message]) -> list[Message]:
    """The messages, and a cue for the model where there is nothing to answer: nothing was said, or by nobody else."""
    if not messages:
        return [Message(Speaker.USER, BEGINNING)]
    if messages[-1].speaker is Speaker.ASSISTANT:
        return [*messages, Message(Speaker.USER, SILENCE)]
    return list(messages)


def _say(messages: list[Message], item: Item) -> None:
    """Add what somebody said to the end of a prompt."""
    last = messages[-1] if messages else None
    if item.speaker is Speaker.ASSISTANT:
        if last is None or last.speaker is Speaker.ASSISTANT:
            cue = BEGINNING if last is None else SILENCE
            messages.append(Message(Speaker.USER, cue))
        messages.append(Message(Speaker.ASSISTANT, item.text))
        return
    text = f"({item.text})" if item.speaker is Speaker.SYSTEM else item.text
    if last is None or last.speaker is not Speaker.USER:
        messages.append(Message(Speaker.USER, text, item.images))
    else:
        messages[-1] = replace(
            last,
            text=f"{last.text} {text}".strip(),
            images=last.images + item.images,
        )


def _result(call_id: str, content: str) -> Message:
    return Message(Speaker.TOOL, content or NOTHING, tool_call_id=call_id)


def _results(items: Sequence[Item]) -> dict[int, int]:
    """Which item holds the result of which call, both by index.

    Ids may be used again: a result is that of the last call before it, or of the first behind it where there is none.
    """
    found: dict[int, int] = {}
    calls: dict[str, int] = {}
    early: dict[str, int] = {}
    for index, item in enumerate(items):
        if item.call is not None:
            calls[item.call.id] = index
            if item.call.id in early:
                found[index] = early.pop(item.call.id)
        elif item.speaker is Speaker.TOOL:
            call = calls.get(item.call_id)
            if call is None:
                early.setdefault(item.call_id, index)
            else:
                found.setdefault(call, index)
    return found
