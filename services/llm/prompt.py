"""From the contract's request to OpenAI's chat messages; whatever the contract does not allow is refused here."""

import base64
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.v1 import llm_pb2, stage_pb2
from services.runtime.contract import check_turn
from services.runtime.errors import InvalidArgument

MAX_TOOLS = 128
MAX_STOPS = 4
MAX_IMAGE_BYTES = 3 * 1024 * 1024
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_ROLES = {
    llm_pb2.ROLE_SYSTEM: "system",
    llm_pb2.ROLE_USER: "user",
    llm_pb2.ROLE_ASSISTANT: "assistant",
    llm_pb2.ROLE_TOOL: "tool",
}
_MODES = {
    llm_pb2.TOOL_CHOICE_MODE_UNSPECIFIED: "auto",
    llm_pb2.TOOL_CHOICE_MODE_AUTO: "auto",
    llm_pb2.TOOL_CHOICE_MODE_NONE: "none",
    llm_pb2.TOOL_CHOICE_MODE_REQUIRED: "required",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked prompt in the form of OpenAI's chat completions.

    Attributes:
        conversation: affinity key of prompt caches; empty outside a conversation.
        messages: OpenAI chat messages.
        tools: OpenAI tool definitions.
        tool_choice: OpenAI tool choice; None where no tools are on offer.
        sampling: of ``temperature``, ``top_p``, ``max_tokens``, ``seed`` and ``stop`` those that were asked for.
        extra_body: further fields of the request, from the settings.
    """

    conversation: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    extra_body: dict[str, Any] = field(default_factory=dict)

    @property
    def has_pictures(self) -> bool:
        """Whether a message holds one."""
        return any(
            part["type"] == "image_url"
            for message in self.messages
            if isinstance(message["content"], list)
            for part in message["content"]
        )


def read_generate(
    request: llm_pb2.GenerateRequest, images: bool, tools: bool
) -> Prompt:
    """The prompt of a reply.

    Args:
        request: as it came.
        images: whether the model takes pictures.
        tools: whether the model takes tools.

    Raises:
        InvalidArgument: the contract does not allow it; the error names the field.
    """
    messages = _read_messages(request.messages, images)
    last = len(messages) - 1
    if messages[last]["role"] not in ("user", "tool"):
        raise InvalidArgument(
            f"messages[{last}].role",
            "the last message must be the user's or a tool's",
            "USER, TOOL",
        )
    offered = _read_tools(request.tools, tools)
    return Prompt(
        conversation=_read_conversation(request.turn),
        messages=messages,
        tools=offered,
        tool_choice=_read_tool_choice(request, offered),
        sampling=_read_sampling(request.sampling),
    )


def read_prepare(request: llm_pb2.PrepareRequest, images: bool, tools: bool) -> Prompt:
    """The beginning of a prompt; it may end with any message.

    Raises:
        InvalidArgument: the contract does not allow it; the error names the field.
    """
    offered = _read_tools(request.tools, tools)
    return Prompt(
        conversation=_read_conversation(request.turn),
        messages=_read_messages(request.messages, images),
        tools=offered,
        tool_choice="auto" if offered else None,
    )


def _read_conversation(turn: stage_pb2.TurnRef) -> str:
    check_turn("turn", turn)
    return turn.conversation_id


def _read_messages(
    messages: Sequence[llm_pb2.Message], images: bool
) -> list[dict[str, Any]]:
    if not messages:
        raise InvalidArgument("messages", "there must be at least one")
    return [
        _read_message(message, f"messages[{index}]", images)
        for index, message in enumerate(messages)
    ]


def _read_message(message: llm_pb2.Message, path: str, images: bool) -> dict[str, Any]:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidArgument(
            f"{path}.role", "is required", "SYSTEM, USER, ASSISTANT, TOOL"
        )
    if message.tool_calls and role != "assistant":
        raise InvalidArgument(f"{path}.tool_calls", "only the assistant calls tools")
    if (role == "tool") != bool(message.tool_call_id):
        raise InvalidArgument(
            f"{path}.tool_call_id",
            "is required on a TOOL message and refused elsewhere",
        )
    if not message.content and not message.tool_calls:
        raise InvalidArgument(
            f"{path}.content",
            "may be empty only on an assistant message that calls tools",
        )
    read: dict[str, Any] = {
        "role": role,
        "content": _read_content(message.content, f"{path}.content", images),
    }
    if message.tool_call_id:
        read["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        read["tool_calls"] = [
            _read_call(call, f"{path}.tool_calls[{index}]")
            for index, call in enumerate(message.tool_calls)
        ]
    return read


def _read_content(
    parts: Sequence[llm_pb2.ContentPart], path: str, images: bool
) -> str | list[dict[str, Any]] | None:
    """Plain text wherever there is no picture: not every server takes parts."""
    read: list[dict[str, Any]] = []
    for index, part in enumerate(parts):
        kind = part.WhichOneof("part")
        if kind == "text":
            read.append({"type": "text", "text": part.text})
        elif kind == "image":
            url = _image_url(part.image, f"{path}[{index}].image", images)
            read.append({"type": "image_url", "image_url": {"url": url}})
        else:
            raise InvalidArgument(f"{path}[{index}]", "must hold a text or a picture")
    if not read:
        return None
    if all(part["type"] == "text" for part in read):
        return "".join(part["text"] for part in read)
    return read


def _image_url(image: llm_pb2.Image, path: str, images: bool) -> str:
    if not images:
        raise InvalidArgument(path, "this model takes no pictures")
    if image.media_type not in IMAGE_TYPES:
        raise InvalidArgument(
            f"{path}.media_type", f"{image.media_type!r} is not supported", IMAGE_TYPES
        )
    if not 0 < len(image.data) <= MAX_IMAGE_BYTES:
        raise InvalidArgument(f"{path}.data", "must hold a picture of at most 3 MiB")
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _read_call(call: llm_pb2.ToolCall, path: str) -> dict[str, Any]:
    for name in ("id", "name"):
        if not getattr(call, name):
            raise InvalidArgument(f"{path}.{name}", "is required")
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_json or "{}"},
    }


def _read_tools(tools: Sequence[llm_pb2.Tool], allowed: bool) -> list[dict[str, Any]]:
    if tools and not allowed:
        raise InvalidArgument("tools", "this model calls no tools")
    if len(tools) > MAX_TOOLS:
        raise InvalidArgument(
            "tools", f"there are {len(tools)}", f"at most {MAX_TOOLS}"
        )
    read: list[dict[str, Any]] = []
    names: set[str] = set()
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        if not _TOOL_NAME.fullmatch(tool.name):
            raise InvalidArgument(
                f"{path}.name",
                f"{tool.name!r} is no name of a tool",
                "1 to 64 letters, digits, '_' and '-'",
            )
        if tool.name in names:
            raise InvalidArgument(f"{path}.name", f"{tool.name!r} is there twice")
        names.add(tool.name)
        function = {
            "name": tool.name,
            "description": tool.description,
            "parameters": _read_schema(tool.parameters_json, f"{path}.parameters_json"),
        }
        read.append({"type": "function", "function": function})
    return read


def _read_schema(text: str, path: str) -> dict[str, Any]:
    if not text:
        return {"type": "object", "properties": {}}
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(path, f"is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise InvalidArgument(path, "must be a JSON object")
    return schema


def _read_tool_choice(
    request: llm_pb2.GenerateRequest, tools: list[dict[str, Any]]
) -> str | dict[str, Any] | None:
    choice = request.tool_choice
    kind = choice.WhichOneof("choice")
    names = [tool["function"]["name"] for tool in tools]
    if kind is None and request.HasField("tool_choice"):
        raise InvalidArgument("tool_choice", "must hold a mode or the name of a tool")
    if kind == "tool":
        if choice.tool not in names:
            raise InvalidArgument(
                "tool_choice.tool", f"{choice.tool!r} is not on offer", names
            )
        return {"type": "function", "function": {"name": choice.tool}}
    mode = _MODES.get(choice.mode)
    if mode is None:
        raise InvalidArgument("tool_choice.mode", "is unknown", "AUTO, NONE, REQUIRED")
    if mode == "required" and not tools:
        raise InvalidArgument(
            "tool_choice.mode", "REQUIRED needs a tool on offer in tools"
        )
    return mode if tools else None


def _read_sampling(sampling: llm_pb2.Sampling) -> dict[str, Any]:
    read: dict[str, Any] = {}
    if sampling.HasField("temperature"):
        if not 0 <= sampling.temperature <= 2:
            raise InvalidArgument("sampling.temperature", "is out of range", "0 to 2")
        read["temperature"] = _tidy(sampling.temperature)
    if sampling.HasField("top_p"):
        if not 0 < sampling.top_p <= 1:
            raise InvalidArgument(
                "sampling.top_p", "is out of range", "above 0, up to 1"
            )
        read["top_p"] = _tidy(sampling.top_p)
    if sampling.HasField("max_tokens"):
        if sampling.max_tokens < 1:
            raise InvalidArgument("sampling.max_tokens", "is 0", "at least 1")
        read["max_tokens"] = sampling.max_tokens
    if sampling.HasField("seed"):
        read["seed"] = sampling.seed
    if len(sampling.stop) > MAX_STOPS or not all(sampling.stop):
        raise InvalidArgument(
            "sampling.stop",
            "has too many texts or an empty one",
            f"at most {MAX_STOPS}",
        )
    if sampling.stop:
        read["stop"] = list(sampling.stop)
    return read


def _tidy(number: float) -> float:
    """A 32-bit float as it was meant: 0.7 and not 0.699999988."""
    digits = 7 - math.ceil(math.log10(number)) if number > 0 else 0
    return round(number, digits)
