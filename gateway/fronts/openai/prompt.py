"""A chat completion's request, as the language model's contract has it."""

import base64
import binascii
import hashlib
import json

from antiphon.v1 import llm_pb2
from antiphon.v1.stage_pb2 import TurnRef
from gateway.fronts.openai.chat_request import (
    AssistantMessage,
    ChatRequest,
    Choice,
    Function,
    Part,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from services.runtime.errors import InvalidArgument

NOTHING = "null"
"""What the model reads where a tool gave nothing back; models refuse an empty result."""


def to_generate(asked: ChatRequest, model: str) -> llm_pb2.GenerateRequest:
    """The prompt in the contract's words; what is left to check, the stage checks.

    Args:
        asked: by the client.
        model: alias; empty for the default.

    Raises:
        InvalidArgument: a picture is no data URL, a schema is nested too deeply, or two fields contradict each other.
    """
    return llm_pb2.GenerateRequest(
        turn=_affinity(asked),
        messages=[
            _message(f"messages[{index}]", message)
            for index, message in enumerate(asked.messages)
        ],
        tools=[
            _tool(f"tools[{index}]", tool.function)
            for index, tool in enumerate(asked.tools or ())
        ],
        tool_choice=_tool_choice(asked),
        sampling=_sampling(asked),
        model=model,
    )


def _affinity(asked: ChatRequest) -> TurnRef | None:
    """Prompts that begin alike are read from the same cache, where there is one."""
    if not asked.prompt_cache_key:
        return None
    # Whatever it looks like, an id can be made of it, and never one of a conversation.
    key = hashlib.sha256(asked.prompt_cache_key.encode()).hexdigest()
    return TurnRef(conversation_id=f"key-{key[:32]}")


def _message(
    path: str, message: SystemMessage | UserMessage | AssistantMessage | ToolMessage
) -> llm_pb2.Message:
    content = _content(f"{path}.content", message.content)
    match message:
        case SystemMessage():
            return llm_pb2.Message(role=llm_pb2.ROLE_SYSTEM, content=content)
        case UserMessage():
            return llm_pb2.Message(role=llm_pb2.ROLE_USER, content=content)
        case AssistantMessage():
            return llm_pb2.Message(
                role=llm_pb2.ROLE_ASSISTANT,
                # Clients say "" where a message only calls.
                content=[] if message.tool_calls and not message.content else content,
                tool_calls=[
                    llm_pb2.ToolCall(
                        id=call.id,
                        name=call.function.name,
                        arguments_json=call.function.arguments,
                    )
                    for call in message.tool_calls or ()
                ],
            )
        case ToolMessage():
            empty = not any(part.text for part in content)
            return llm_pb2.Message(
                role=llm_pb2.ROLE_TOOL,
                content=[llm_pb2.ContentPart(text=NOTHING)] if empty else content,
                tool_call_id=message.tool_call_id,
            )


def _content(
    path: str, content: str | list[TextPart] | list[Part] | None
) -> list[llm_pb2.ContentPart]:
    if content is None:
        return []
    if isinstance(content, str):
        return [llm_pb2.ContentPart(text=content)]
    return [
        llm_pb2.ContentPart(text=part.text)
        if isinstance(part, TextPart)
        else llm_pb2.ContentPart(
            image=_image(f"{path}[{index}].image_url.url", part.image_url.url)
        )
        for index, part in enumerate(content)
    ]


def _image(path: str, url: str) -> llm_pb2.Image:
    head, comma, data = url.partition(",")
    media_type, _, encoding = head.removeprefix("data:").partition(";")
    if not comma or not head.startswith("data:") or encoding != "base64":
        raise InvalidArgument(
            path,
            "the gateway fetches no pictures",
            "a data URL: data:image/png;base64,…",
        )
    try:
        return llm_pb2.Image(
            data=base64.b64decode(data, validate=True), media_type=media_type
        )
    except (binascii.Error, ValueError):
        raise InvalidArgument(path, "is not base64") from None


def _tool(path: str, function: Function) -> llm_pb2.Tool:
    try:
        schema = json.dumps(function.parameters) if function.parameters else ""
    except RecursionError:
        raise InvalidArgument(
            f"{path}.function.parameters", "is nested too deeply"
        ) from None
    return llm_pb2.Tool(
        name=function.name,
        description=function.description or "",
        parameters_json=schema,
    )


def _tool_choice(asked: ChatRequest) -> llm_pb2.ToolChoice | None:
    match asked.tool_choice:
        case None:
            return None
        case Choice():
            return llm_pb2.ToolChoice(tool=asked.tool_choice.function.name)
        case mode:
            modes = {
                "auto": llm_pb2.TOOL_CHOICE_MODE_AUTO,
                "none": llm_pb2.TOOL_CHOICE_MODE_NONE,
                "required": llm_pb2.TOOL_CHOICE_MODE_REQUIRED,
            }
            return llm_pb2.ToolChoice(mode=modes[mode])


def _sampling(asked: ChatRequest) -> llm_pb2.Sampling:
    if asked.max_tokens and asked.max_completion_tokens:
        raise InvalidArgument(
            "max_tokens", "contradicts max_completion_tokens", "one of the two"
        )
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop
    return llm_pb2.Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=asked.max_tokens or asked.max_completion_tokens,
        seed=asked.seed,
        stop=stop or (),
    )
