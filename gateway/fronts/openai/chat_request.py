"""A chat completion's request, as OpenAI's clients write it.

What the language model's contract has no word for is refused, unless it asks for what happens anyhow: nobody is to
believe that a field did something.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from gateway.fronts.openai.body import Body
from gateway.settings import MOST_TOKENS

Element = TypeVar("Element")

Many = Annotated[list[Element], Field(fail_fast=True)]
"""Only the first one that is wrong is told, and errors take long to make."""

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
    content: str | Many[TextPart]


class UserMessage(Body):
    """What the person says and shows."""

    role: Literal["user"]
    content: str | Many[Part]


class AssistantMessage(Body):
    """What the model said; fields that a completion has and that say nothing may come back with it."""

    role: Literal["assistant"]
    content: str | Many[TextPart] | None = None
    tool_calls: Many[Called] | None = None
    refusal: None = None
    annotations: Nothing | None = None
    audio: None = None
    function_call: None = None


class ToolMessage(Body):
    """What a call gave back. Older clients name the function too; the call's id says it already."""

    role: Literal["tool"]
    content: str | Many[TextPart]
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

    messages: Annotated[Many[Message], Field(min_length=1)]
    model: str = ""
    tools: Many[Tool] | None = None
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
