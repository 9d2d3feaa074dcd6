"""A chat completion's request, as OpenAI's clients write it, and as the language model's contract has it.

What the contract has no word for is refused, unless it asks for what happens anyhow: nobody is to believe that a
field did something.
"""

import base64
import binascii
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from antiphon.v1 import llm_pb2
from antiphon.v1.stage_pb2 import TurnRef
from gateway.fronts.openai.body import Body
from gateway.settings import MOST_TOKENS
from services.runtime.errors import InvalidArgument

NOTHING = "null"
"""What the model reads where a tool gave nothing back; models refuse an empty result."""

Nothing = Annotated[list[Any], Field(max_length=0)]


class TextPart(Body):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ImageUrl(Body):
    """A picture, as a data URL."""

    url: str
    detail: Literal["auto"] = "auto"


class ImagePart(Body):
    """A picture among the text."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class CalledFunction(Body):
    """What was called, and with what."""

    name: str
    arguments: str


class Called(Body):
    """A call that the model made."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class SystemMessage(Body):
    """Standing instructions."""

    role: Literal["system", "developer"]
    content: str | list[TextPart]


class UserMessage(Body):
    """What the person says and shows."""

    role: Literal["user"]
    content: str | list[Part]


class AssistantMessage(Body):
    """What the model said; fields that a completion has and that say nothing may come back with it."""

    role: Literal["assistant"]
    content: str | list[TextPart] | None = None
    tool_calls: list[Called] | None = None
    refusal: None = None
    annotations: Nothing | None = None
    audio: None = None
    function_call: None = None


class ToolMessage(Body):
    """What a call gave back. Older clients name the function too; the call's id says it already."""

    role: Literal["tool"]
    content: str | list[TextPart]
    tool_call_id: str
    name: str | None = None


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage,
    Field(discriminator="role"),
]


class Function(Body):
    """A function on offer."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Literal[False] | None = None


class Tool(Body):
    """Something on offer; only functions are."""

    type: Literal["function"]
    function: Function


class ChosenFunction(Body):
    """The one to be called."""

    name: str


class Choice(Body):
    """This function is to be called."""

    type: Literal["function"]
    function: ChosenFunction


class StreamOptions(Body):
    """How to stream."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ResponseFormat(Body):
    """What the answer is; the contract has text alone."""

    type: Literal["text"]


class ChatRequest(Body):
    """A prompt and how to answer it, as `POST /v1/chat/completions` takes it."""

    messages: Annotated[list[Message], Field(min_length=1)]
    model: str = ""
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | Choice | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    prompt_cache_key: str | None = None
    # What happens anyhow.
    n: Literal[1] | None = None
    response_format: ResponseFormat | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    logprobs: Literal[False] | None = None
    store: Literal[False] | None = None
    parallel_tool_calls: Literal[True] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    service_tier: Literal["auto", "default"] | None = None
    # Nothing about an answer; they are for the caller's own books.
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None


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
