"""A client's events (GA protocol), read strictly: one model per event."""

import binascii
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NoReturn

from pydantic import AfterValidator, Field

from gateway.fronts.realtime.audio_fields import Instructions, ResponseAudioOutput
from gateway.fronts.realtime.errors import (
    INVALID_JSON,
    MISSING_PARAMETER,
    UNKNOWN_EVENT,
    WireError,
    refused,
    shortened,
)
from gateway.fronts.realtime.fields import (
    BETA,
    MaxTokens,
    Modalities,
    NoPrompt,
    NoReasoning,
    ParallelCalls,
    RealtimeSession,
    Temperature,
    ToolChoice,
    Tools,
)
from gateway.fronts.realtime.new_items import (
    LONGEST_AUDIO,
    LONGEST_ID,
    Encoded,
    Id,
    InputItem,
    NewItem,
    few,
)
from gateway.fronts.realtime.reading import (
    Json,
    Wire,
    at_most,
    between,
    check,
    invalid,
    loads,
    validated,
)

LONGEST_EVENT_ID = 512
"""Characters of the name that a client gives an event."""

LONGEST_AUDIO_MS = 24 * 3600 * 1000
MOST_ITEMS = 1_000
"""Of one response's own input."""

MOST_METADATA = 16
"""Pairs, as the protocol has it."""


class ResponseAudio(Wire):
    """The audio of one response."""

    output: ResponseAudioOutput = ResponseAudioOutput()


def _metadata(pairs: dict[str, str]) -> dict[str, str]:
    if len(pairs) > MOST_METADATA or any(
        len(key) > 64 or len(value) > 512 for key, value in pairs.items()
    ):
        raise invalid(
            "is too much",
            f"{MOST_METADATA} pairs, keys of 64 characters, values of 512",
        )
    return pairs


class ResponseParams(Wire):
    """What is to be otherwise in one response than in the session. None is as the session has it."""

    hints: ClassVar[dict[str, str]] = {
        old: f"{new}, which is its name since the beta" for old, new in BETA.items()
    }

    conversation: Literal["auto", "none"] | None = None
    input: (
        Annotated[
            tuple[InputItem, ...], Field(strict=False, fail_fast=True), few(MOST_ITEMS)
        ]
        | None
    ) = None
    instructions: Instructions | None = None
    output_modalities: Modalities | None = None
    audio: ResponseAudio | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: MaxTokens = None
    temperature: Temperature | None = None
    metadata: Annotated[dict[str, str], AfterValidator(_metadata)] | None = None
    prompt: NoPrompt = None
    reasoning: NoReasoning = None
    parallel_tool_calls: ParallelCalls = None


class _Event(Wire):
    event_id: Annotated[str, AfterValidator(at_most(LONGEST_EVENT_ID))] | None = None


class SessionUpdate(_Event):
    """``session`` is as it came: `RealtimeSession.merged` reads it."""

    type: Literal["session.update"]
    session: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AudioAppend:
    """The next bytes of the user's audio, in the session's input format.

    The one event that comes many times a second, and so the one that is no pydantic model.
    """

    type: ClassVar[str] = "input_audio_buffer.append"

    audio: bytes
    event_id: str | None = None


class AudioCommit(_Event):
    """The user is done."""

    type: Literal["input_audio_buffer.commit"]


class AudioClear(_Event):
    """The user's audio is to be forgotten."""

    type: Literal["input_audio_buffer.clear"]


class OutputAudioClear(_Event):
    """What is being played is to be stopped."""

    type: Literal["output_audio_buffer.clear"]


class ItemCreate(_Event):
    """An item for the conversation; ``previous_item_id`` may be ``root``."""

    type: Literal["conversation.item.create"]
    item: NewItem
    previous_item_id: Annotated[str, AfterValidator(at_most(LONGEST_ID))] | None = None


class ItemRetrieve(_Event):
    """An item is to be told."""

    type: Literal["conversation.item.retrieve"]
    item_id: Id


class ItemDelete(_Event):
    """An item is to be forgotten."""

    type: Literal["conversation.item.delete"]
    item_id: Id


class ItemTruncate(_Event):
    """Of an answer only so much was heard."""

    type: Literal["conversation.item.truncate"]
    item_id: Id
    content_index: Annotated[int, AfterValidator(between(0, 0))]
    audio_end_ms: Annotated[int, AfterValidator(between(0, LONGEST_AUDIO_MS, " ms"))]


class ResponseCreate(_Event):
    """An answer is wanted."""

    type: Literal["response.create"]
    response: ResponseParams | None = None


class ResponseCancel(_Event):
    """An answer is to be stopped; without an id, the conversation's own."""

    type: Literal["response.cancel"]
    response_id: Annotated[str, AfterValidator(at_most(LONGEST_ID))] | None = None


_Read = (
    SessionUpdate
    | AudioCommit
    | AudioClear
    | OutputAudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
)
ClientEvent = _Read | AudioAppend

APPEND = AudioAppend.type

_MODELS: dict[str, type[_Read]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.commit": AudioCommit,
    "input_audio_buffer.clear": AudioClear,
    "output_audio_buffer.clear": OutputAudioClear,
    "conversation.item.create": ItemCreate,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.delete": ItemDelete,
    "conversation.item.truncate": ItemTruncate,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}

CLIENT_EVENTS = (APPEND, *_MODELS)
"""Types that `parse` knows: all of the protocol's."""


def parse(message: str | bytes) -> ClientEvent:
    """One message of a client.

    Raises:
        WireError: it is not an event of the protocol, or says what is not allowed. It carries the client's own
            ``event_id`` where that could be read.
    """
    data = loads(message)
    if not isinstance(data, dict):
        raise WireError(
            "the message is no JSON object; allowed: one JSON object, UTF-8 encoded",
            code=INVALID_JSON,
        )
    try:
        if data.get("type") == APPEND:
            return _append(data)
        check(data)
        return _event(data)
    except WireError as error:
        error.event_id = _event_id(data)
        raise


def decoded(param: str, audio: str) -> bytes:
    """Bytes from base64.

    Raises:
        WireError: it is not base64 (RFC 4648, section 4).
    """
    try:
        return binascii.a2b_base64(audio, strict_mode=True)
    except ValueError as error:
        raise refused(
            param, f"is not base64 ({error})", "base64 with padding, RFC 4648 section 4"
        ) from None


def _event(data: Json) -> ClientEvent:
    kind = data.get("type")
    if kind is None:
        raise refused("type", "is missing", CLIENT_EVENTS, MISSING_PARAMETER)
    if not isinstance(kind, str) or kind not in _MODELS:
        shown = shortened(repr(kind))
        raise refused("type", f"is {shown}", CLIENT_EVENTS, UNKNOWN_EVENT)
    return validated(_MODELS[kind], data)


_APPEND_FIELDS = ("type", "audio", "event_id")


def _append(data: Json) -> AudioAppend:
    """By hand, since this is called fifty times a second for each client."""
    audio, event_id = data.get("audio"), data.get("event_id")
    if len(data) > 2 + ("event_id" in data) or (
        event_id is not None and _event_id(data) is None
    ):
        _refuse_append(data)
    if not isinstance(audio, str) or len(audio) > LONGEST_AUDIO:
        _refuse_append(data)
    return AudioAppend(decoded("audio", audio), event_id)


class _Append(_Event):
    """Says what is wrong with an event that `_append` does not take."""

    type: Literal["input_audio_buffer.append"]
    audio: Encoded


def _refuse_append(data: Json) -> NoReturn:
    check(data)
    validated(_Append, data)
    raise AssertionError("what the quick way refuses is wrong")


def _event_id(data: Json) -> str | None:
    """The client's name of the event, if it has one that can be sent back."""
    event_id = data.get("event_id")
    if not isinstance(event_id, str) or len(event_id) > LONGEST_EVENT_ID:
        return None
    return event_id if event_id.isascii() or _sendable(event_id) else None


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["CLIENT_EVENTS", "ClientEvent", "RealtimeSession", "decoded", "parse"]
