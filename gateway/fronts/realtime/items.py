"""Between the wire's items and the conversation's own; a table, with no logic of its own."""

import base64
import binascii
import re
import secrets
from typing import Any, assert_never

from gateway.conversation.values import Image, Item, Speaker, ToolCall
from gateway.fronts.codec import LARGEST_IMAGE, MEDIA_TYPES, NOTHING
from gateway.fronts.config import LONGEST_TEXT
from gateway.fronts.realtime.errors import NOT_SUPPORTED, WireError, refused
from gateway.fronts.realtime.new_items import (
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    NewItem,
    OutputAudio,
    SystemMessage,
    UserMessage,
)

Event = dict[str, Any]

_DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,(.*)", re.DOTALL)


def to_item(new: NewItem, images: bool, param: str = "item") -> Item:
    """The client's item as the conversation has it; without an id where the client gave none.

    Args:
        new: as it came; of a recording only the transcript counts.
        images: whether the model takes pictures.
        param: its path in the event, for errors.

    Raises:
        WireError: it holds what cannot be taken.
    """
    id = new.id or ""
    match new:
        case UserMessage():
            return _user_item(id, new, images, param)
        case SystemMessage():
            text = _text([part.text for part in new.content], param)
            return Item(id, Speaker.SYSTEM, text)
        case AssistantMessage():
            said = [
                (part.transcript or "") if isinstance(part, OutputAudio) else part.text
                for part in new.content
            ]
            spoken = any(isinstance(part, OutputAudio) for part in new.content)
            text = _text(said, param)
            complete = new.status != "incomplete"
            return Item(id, Speaker.ASSISTANT, text, spoken=spoken, complete=complete)
        case FunctionCall():
            call_id = new.call_id or f"call_{secrets.token_hex(8)}"
            call = ToolCall(call_id, new.name, new.arguments or "{}")
            return Item(id, Speaker.ASSISTANT, call=call)
        case FunctionCallOutput():
            return Item(id, Speaker.TOOL, new.output or NOTHING, call_id=new.call_id)
        case _:
            assert_never(new)


def _user_item(id: str, new: UserMessage, images: bool, param: str) -> Item:
    said: list[str] = []
    shown: list[Image] = []
    for number, part in enumerate(new.content):
        where = f"{param}.content[{number}]"
        if isinstance(part, InputImage):
            if not images:
                raise WireError(
                    f"{where}: the model takes no pictures; allowed: another model",
                    code=NOT_SUPPORTED,
                    param=where,
                )
            shown.append(_image(part.image_url, f"{where}.image_url"))
        elif isinstance(part, InputAudio):
            said.append(part.transcript or "")
        else:
            said.append(part.text)
    spoken = any(isinstance(part, InputAudio) for part in new.content)
    return Item(id, Speaker.USER, _text(said, param), tuple(shown), spoken=spoken)


def _text(parts: list[str], param: str) -> str:
    text = " ".join(part for part in parts if part)
    if len(text) > LONGEST_TEXT:
        raise refused(
            f"{param}.content",
            f"has {len(text)} characters",
            f"at most {LONGEST_TEXT}",
        )
    return text


def _image(url: str, param: str) -> Image:
    """Checked here, because a picture that the model refuses would spoil every later prompt."""
    found = _DATA_URL.fullmatch(url)
    if found is None or found[1] not in MEDIA_TYPES:
        allowed = ", ".join(f"data:{kind};base64,..." for kind in MEDIA_TYPES)
        raise refused(param, "is no such data URL", allowed)
    try:
        data = binascii.a2b_base64(found[2], strict_mode=True)
    except ValueError as error:
        raise refused(
            param, f"is not base64 ({error})", "RFC 4648, section 4"
        ) from None
    if not 0 < len(data) <= LARGEST_IMAGE:
        raise refused(param, f"has {len(data)} bytes", f"1 to {LARGEST_IMAGE}")
    return Image(data, found[1])


def to_wire(item: Item, whole: bool = False) -> Event:
    """An item as clients know it.

    Args:
        item: of the history.
        whole: with its pictures; otherwise it is only said that there are some.
    """
    status = "completed" if item.complete else "incomplete"
    if item.call is not None:
        return function_call(item.id, item.call, status)
    match item.speaker:
        case Speaker.TOOL:
            return {
                "id": item.id,
                "object": "realtime.item",
                "type": "function_call_output",
                "status": status,
                "call_id": item.call_id,
                "output": item.text,
            }
        case Speaker.ASSISTANT:
            return reply_message(item.id, item.text, item.spoken, status)
        case Speaker.SYSTEM:
            content = [{"type": "input_text", "text": item.text}]
            return _message(item.id, "system", content, status)
        case Speaker.USER:
            return _message(item.id, "user", _said(item, whole), status)


def spoken_message(item: str) -> Event:
    """The user's message that has just been heard, before anybody knows its words."""
    return to_wire(Item(item, Speaker.USER, spoken=True))


def reply_message(item: str, text: str | None, spoken: bool, status: str) -> Event:
    """The assistant's message; ``text`` None where nothing of it is there yet."""
    content: list[Event] = []
    if text is not None:
        content.append(
            {"type": "output_audio", "transcript": text}
            if spoken
            else {"type": "output_text", "text": text}
        )
    return _message(item, "assistant", content, status)


def function_call(item: str, call: ToolCall, status: str) -> Event:
    """A function that is to be called."""
    return {
        "id": item,
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments_json,
    }


def _said(item: Item, whole: bool) -> list[Event]:
    """What the user said, wrote and showed."""
    content: list[Event] = []
    if item.spoken:
        content.append({"type": "input_audio", "transcript": item.text or None})
    elif item.text or not item.images:
        content.append({"type": "input_text", "text": item.text})
    for image in item.images:
        part = {"type": "input_image", "detail": "auto"}
        if whole:
            data = base64.b64encode(image.data).decode("ascii")
            part["image_url"] = f"data:{image.media_type};base64,{data}"
        content.append(part)
    return content


def _message(item: str, role: str, content: list[Event], status: str) -> Event:
    return {
        "id": item,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }
