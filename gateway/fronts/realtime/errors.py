"""What is wrong, in the words of the Realtime protocol: the `error` event and its codes.

Kinds (``type``) are OpenAI's. Codes are theirs where theirs are known; the rest name the thing in the same manner. What
is wrong with the gateway or a stage has the type and the code that it has over HTTP (`gateway.fronts.openai.errors`).
"""

import re
from collections.abc import Iterable
from typing import Any

from gateway.conversation.values import Refusal
from gateway.fronts.openai.errors import NotFound, shape
from services.runtime.errors import AntiphonError, InvalidArgument

INVALID_REQUEST = "invalid_request_error"
SERVER = "server_error"
RATE_LIMIT = "rate_limit_error"

INVALID_JSON = "invalid_json"
UNKNOWN_EVENT = "unknown_event"
UNKNOWN_PARAMETER = "unknown_parameter"
MISSING_PARAMETER = "missing_required_parameter"
INVALID_VALUE = "invalid_value"
NOT_SUPPORTED = "not_supported"
ALREADY_ACTIVE = "conversation_already_has_active_response"

LONGEST_MESSAGE = 1_000
"""Characters; lists of what is allowed can be long."""

LONGEST_ECHO = 60
"""Characters of what the client sent that a message repeats."""

REFUSALS: dict[Refusal, str] = {
    Refusal.INVALID: INVALID_VALUE,
    Refusal.NO_SUCH_ITEM: "item_not_found",
    Refusal.ITEM_EXISTS: "item_create_duplicate_item_id",
    Refusal.ANSWERING: ALREADY_ACTIVE,
    Refusal.NOTHING_HEARD: "input_audio_buffer_commit_empty",
    Refusal.TOO_MANY: "input_audio_buffer_commit_too_many",
}
"""The code of what a conversation refuses."""

INVALID_ITEM = {
    "conversation.item.create": "item_create_invalid_previous_item_id",
    "conversation.item.retrieve": "item_retrieve_invalid_item_id",
    "conversation.item.delete": "item_delete_invalid_item_id",
    "conversation.item.truncate": "item_truncate_invalid_item_id",
}
"""The code of `Refusal.NO_SUCH_ITEM`, by the client event that named it. Clients that take any other for fatal go on."""

OPENINGS: dict[Refusal, str] = {
    Refusal.ANSWERING: "Conversation already has an active response in progress: ",
    Refusal.NOTHING_HEARD: "Error committing input audio buffer: ",
}
"""How OpenAI begins to say so: some clients go by it, and not by the code."""

NOTHING_TO_CANCEL = "Cancellation failed: no active response found"
"""Likewise."""

_PARAMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), param)
    for pattern, param in (
        (r"(?:config\.)?voice(_reference.*|_instructions)?", "audio.output.voice"),
        (r"config\.speed", "audio.output.speed"),
        (r"(?:config\.)?language", "audio.input.transcription.language"),
        (r"config\.model", "model"),
        (r"config\.input_format.*", "audio.input.format"),
        (r"config\.output_format.*", "audio.output.format"),
        (r"config\.sampling\.max_tokens", "max_output_tokens"),
        (r"config\.sampling\.(.+)", r"\1"),
        (r"config\.tool_choice\.tool", "tool_choice.name"),
        (r"config\.tool_choice.*", "tool_choice"),
        (r"config\.(tools\[\d+\])\.parameters_json", r"\1.parameters"),
        (r"config\.(.+)", r"\1"),
    )
)
"""A field of the contract's `ConversationConfig`, and where a Realtime session has it."""


class WireError(Exception):
    """What a client is told with an `error` event.

    Attributes:
        message: what is wrong and what is allowed, for a person; shortened.
        type: kind of the error.
        code: what a program goes by.
        param: path of the field, such as ``session.audio.input.format.rate``; None where there is none.
        event_id: the client's own name of the event that caused it, where it gave one.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str = INVALID_REQUEST,
        code: str = INVALID_VALUE,
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = shortened(message, LONGEST_MESSAGE)
        self.type = type
        self.code = code
        self.param = param
        self.event_id = event_id

    def to_event(self, event_id: str) -> dict[str, Any]:
        """The server event; ``event_id`` is its own."""
        return {
            "type": "error",
            "event_id": event_id,
            "error": {
                "type": self.type,
                "code": self.code,
                "message": self.message,
                "param": self.param,
                "event_id": self.event_id,
            },
        }


def refused(
    param: str, problem: str, allowed: Iterable[str] | str, code: str = INVALID_VALUE
) -> WireError:
    """An error about one field: what is wrong with it, and what is allowed."""
    listed = allowed if isinstance(allowed, str) else ", ".join(allowed)
    return WireError(f"{param} {problem}; allowed: {listed}", code=code, param=param)


def from_antiphon(
    error: AntiphonError, event_id: str | None = None, within: str = "session"
) -> WireError:
    """The error of the protocol that means the same.

    Args:
        error: as the gateway or a stage has it.
        event_id: the client's name of the event that caused it.
        within: where the protocol has what the contract calls the config: ``session`` or ``response``.
    """
    looks = shape(error)
    message, param = error.message, None
    if isinstance(error, InvalidArgument) and error.field:
        param = _param(error.field, within)
        message = f"{param}: {error.problem}"
    elif isinstance(error, NotFound) and error.param:
        param = f"{within}.{error.param}"
    return WireError(
        message, type=looks.type, code=looks.code, param=param, event_id=event_id
    )


def answer_to(told: dict[str, Any], type: str, event_id: str | None) -> None:
    """Say in the ``error`` of an event which client event it answers.

    Args:
        told: what was wrong; is changed.
        type: of the client event.
        event_id: the client's name of it.
    """
    told["event_id"] = event_id
    if told["code"] == REFUSALS[Refusal.NO_SUCH_ITEM]:
        told["code"] = INVALID_ITEM.get(type, told["code"])


def _param(field: str, within: str) -> str:
    for pattern, param in _PARAMS:
        if found := pattern.fullmatch(field):
            return f"{within}.{found.expand(param)}"
    return field


def shortened(text: str, longest: int = LONGEST_ECHO) -> str:
    """The start of a text."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
