"""Items as clients bring them into a conversation (GA protocol)."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field

from gateway.conversation.values import ROOT
from gateway.fronts.codec import LONGEST_RESULT
from gateway.fronts.config import LONGEST_TEXT
from gateway.fronts.realtime.errors import shortened
from gateway.fronts.realtime.reading import Wire, at_most, invalid

LONGEST_AUDIO = 15 * 1024 * 1024
"""Characters of base64 in one event, as OpenAI has it; what a client may send at once is limited before that."""

LONGEST_ID = 64
"""Characters."""

LONGEST_IMAGE_URL = 5 * 1024 * 1024
"""Characters; a picture of 3 MiB, which is the most that the contract takes, has 4 MiB of base64."""

MOST_PARTS = 64
"""Of one message."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _an_id(text: str) -> str:
    if not 0 < len(text) <= LONGEST_ID or text == ROOT:
        raise invalid(
            f"is {shortened(repr(text))}",
            f"1 to {LONGEST_ID} characters, and not {ROOT!r}",
        )
    return text


def _a_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise invalid(
            f"is {shortened(repr(text))}", "1 to 64 letters, digits, '_' and '-'"
        )
    return text


def _an_object(text: str) -> str:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid("is no JSON object", "a JSON object as a string")
    return text


def few(most: int) -> AfterValidator:
    """A validator of how many there are."""

    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) > most:
            raise invalid(f"are {len(values)}", f"at most {most}")
        return values

    return AfterValidator(check)


Id = Annotated[str, AfterValidator(_an_id)]
Text = Annotated[str, AfterValidator(at_most(LONGEST_TEXT))]
Encoded = Annotated[str, AfterValidator(at_most(LONGEST_AUDIO))]


class InputText(Wire):
    """Something written."""

    type: Literal["input_text"]
    text: Text


class InputAudio(Wire):
    """Something spoken: base64 in the session's input format, or its transcript."""

    type: Literal["input_audio"]
    audio: Encoded | None = None
    transcript: Text | None = None


class InputImage(Wire):
    """A picture, as a data URL."""

    type: Literal["input_image"]
    image_url: Annotated[str, AfterValidator(at_most(LONGEST_IMAGE_URL))]
    detail: Literal["auto", "low", "high"] | None = None


class OutputText(Wire):
    """Something that the assistant wrote."""

    type: Literal["output_text"]
    text: Text


class OutputAudio(Wire):
    """Something that the assistant said."""

    type: Literal["output_audio"]
    transcript: Text | None = None
    audio: Encoded | None = None


class Named(Wire):
    """What all items have; ``object`` and ``status`` change nothing, as in the protocol."""

    id: Id | None = None
    object: Literal["realtime.item"] | None = None
    status: Literal["completed", "incomplete", "in_progress"] | None = None


class UserMessage(Named):
    """The user says, writes or shows something."""

    type: Literal["message"]
    role: Literal["user"]
    content: Annotated[
        tuple[
            Annotated[InputText | InputAudio | InputImage, Discriminator("type")], ...
        ],
        Field(strict=False, fail_fast=True),
        few(MOST_PARTS),
    ]


class SystemMessage(Named):
    """Instructions in the middle of a conversation."""

    type: Literal["message"]
    role: Literal["system"]
    content: Annotated[
        tuple[InputText, ...], Field(strict=False, fail_fast=True), few(MOST_PARTS)
    ]


class AssistantMessage(Named):
    """Something that the assistant is to have said."""

    type: Literal["message"]
    role: Literal["assistant"]
    content: Annotated[
        tuple[Annotated[OutputText | OutputAudio, Discriminator("type")], ...],
        Field(strict=False, fail_fast=True),
        few(MOST_PARTS),
    ]


class FunctionCall(Named):
    """A call that the assistant is to have made."""

    type: Literal["function_call"]
    name: Annotated[str, AfterValidator(_a_name)]
    arguments: Annotated[
        str, AfterValidator(at_most(LONGEST_RESULT)), AfterValidator(_an_object)
    ]
    call_id: Id | None = None


class FunctionCallOutput(Named):
    """What a called function gave back."""

    type: Literal["function_call_output"]
    call_id: Id
    output: Annotated[str, AfterValidator(at_most(LONGEST_RESULT))]


class ItemReference(Wire):
    """An item that the conversation has; as input of a response only."""

    type: Literal["item_reference"]
    id: Id


Message = Annotated[
    UserMessage | SystemMessage | AssistantMessage, Discriminator("role")
]
NewItem = Annotated[Message | FunctionCall | FunctionCallOutput, Discriminator("type")]
InputItem = Annotated[
    Message | FunctionCall | FunctionCallOutput | ItemReference, Discriminator("type")
]
