import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.fronts.realtime import schema
from gateway.fronts.realtime.audio_fields import Transcription
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.new_items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    ItemReference,
    UserMessage,
)
from gateway.fronts.realtime.schema import parse
from tests.unit.realtime.events import EVENTS, USER, wrong

SDK: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_every_event_of_the_protocol_is_read(event: dict[str, Any]) -> None:
    SDK.validate_python(event)
    named = parse(json.dumps({**event, "event_id": "mine"}))
    assert named.event_id == "mine"
    assert parse(json.dumps(event).encode()).event_id is None
    assert parse(json.dumps({**event, "event_id": None})).event_id is None


def test_the_events_are_those_of_the_official_sdk() -> None:
    assert {event["type"] for event in EVENTS} == set(schema.CLIENT_EVENTS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_a_field_that_is_not_known_is_named(event: dict[str, Any]) -> None:
    error = wrong({**event, "foo": 1, "event_id": "mine"})
    assert (error.code, error.param) == ("unknown_parameter", "foo")
    assert error.event_id == "mine"
    assert "event_id" in error.message


def test_a_type_that_is_not_known_is_answered_with_those_that_are() -> None:
    error = wrong({"type": "session.create", "event_id": "mine"})
    assert (error.code, error.param) == ("unknown_event", "type")
    assert error.event_id == "mine"
    for kind in schema.CLIENT_EVENTS:
        assert kind in error.message


@pytest.mark.parametrize("kind", [7, None, [], {"a": 1}, True])
def test_a_type_that_is_no_name_is_refused(kind: Any) -> None:
    assert wrong({"type": kind}).param == "type"


@pytest.mark.parametrize(
    ("event", "code", "param", "allowed"),
    [
        ({"type": "session.update"}, "missing_required_parameter", "session", ""),
        (
            {"type": "session.update", "session": []},
            "invalid_value",
            "session",
            "an object",
        ),
        (
            {"type": "input_audio_buffer.append"},
            "missing_required_parameter",
            "audio",
            "",
        ),
        (
            {"type": "input_audio_buffer.append", "audio": 5},
            "invalid_value",
            "audio",
            "a string",
        ),
        (
            {"type": "conversation.item.create"},
            "missing_required_parameter",
            "item",
            "",
        ),
        (
            {"type": "conversation.item.create", "item": None},
            "invalid_value",
            "item",
            "an object",
        ),
        (
            {"type": "conversation.item.create", "item": {}},
            "missing_required_parameter",
            "item.type",
            "",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "mcp_tool_call"}},
            "invalid_value",
            "item.type",
            "function_call_output",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "item_reference", "id": "x"},
            },
            "invalid_value",
            "item.type",
            "message",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "content": []},
            },
            "missing_required_parameter",
            "item.role",
            "",
        ),
        (
            {"type": "conversation.item.create", "item": {**USER, "role": "tool"}},
            "invalid_value",
            "item.role",
            "assistant",
        ),
        (
            {"type": "conversation.item.create", "item": {**USER, "id": "root"}},
            "invalid_value",
            "item.id",
            "root",
        ),
        (
            {"type": "conversation.item.create", "item": {**USER, "colour": "red"}},
            "unknown_parameter",
            "item.colour",
            "content",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {**USER, "content": [{"type": "text", "text": "x"}]},
            },
            "invalid_value",
            "item.content[0].type",
            "input_text",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {**USER, "content": [{"type": "input_text"}]},
            },
            "missing_required_parameter",
            "item.content[0].text",
            "",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {
                    **USER,
                    "content": [{"type": "input_text", "text": "x", "foo": 1}],
                },
            },
            "unknown_parameter",
            "item.content[0].foo",
            "text",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {
                    **USER,
                    "content": [{"type": "input_text", "text": "x" * 32_769}],
                },
            },
            "invalid_value",
            "item.content[0].text",
            "at most 32768",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call", "name": "f", "arguments": "[]"},
            },
            "invalid_value",
            "item.arguments",
            "JSON object",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "output": "x"},
            },
            "missing_required_parameter",
            "item.call_id",
            "",
        ),
        (
            {"type": "conversation.item.retrieve"},
            "missing_required_parameter",
            "item_id",
            "",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "i",
                "content_index": 1,
                "audio_end_ms": 0,
            },
            "invalid_value",
            "content_index",
            "0",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "i",
                "content_index": 0,
                "audio_end_ms": -1,
            },
            "invalid_value",
            "audio_end_ms",
            "0 to 86,400,000 ms",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "i",
                "content_index": 0,
                "audio_end_ms": 1.5,
            },
            "invalid_value",
            "audio_end_ms",
            "a whole number",
        ),
        (
            {"type": "response.create", "response": {"conversation": "other"}},
            "invalid_value",
            "response.conversation",
            "'auto' or 'none'",
        ),
        (
            {"type": "response.create", "response": {"modalities": ["text"]}},
            "unknown_parameter",
            "response.modalities",
            "output_modalities",
        ),
        (
            {"type": "response.create", "response": {"input": [{"type": "x"}]}},
            "invalid_value",
            "response.input[0].type",
            "item_reference",
        ),
        (
            {"type": "response.create", "response": {"metadata": {"a": 5}}},
            "invalid_value",
            "response.metadata.a",
            "a string",
        ),
        (
            {
                "type": "response.create",
                "response": {"metadata": {str(n): "" for n in range(17)}},
            },
            "invalid_value",
            "response.metadata",
            "16 pairs",
        ),
    ],
)
def test_an_error_names_the_field_and_what_is_allowed(
    event: dict[str, Any], code: str, param: str, allowed: str
) -> None:
    error = wrong({**event, "event_id": "mine"})
    assert (error.code, error.param, error.event_id) == (code, param, "mine")
    assert param in error.message
    assert allowed in error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", {"id": "x"}),
        ("reasoning", {"effort": "low"}),
        ("parallel_tool_calls", False),
    ],
)
def test_what_a_response_cannot_have_is_refused_by_name(name: str, value: Any) -> None:
    error = wrong({"type": "response.create", "response": {name: value}})
    assert (error.code, error.param) == ("not_supported", f"response.{name}")
    parse(json.dumps({"type": "response.create", "response": {name: None}}))


def test_items_of_every_kind_are_read() -> None:
    def item(new: dict[str, Any]) -> Any:
        event = parse(json.dumps({"type": "conversation.item.create", "item": new}))
        assert isinstance(event, schema.ItemCreate)
        return event.item

    content = [
        {"type": "input_text", "text": "a"},
        {"type": "input_audio", "audio": "AAAA", "transcript": None},
        {
            "type": "input_image",
            "image_url": "data:image/png;base64,AA==",
            "detail": "low",
        },
    ]
    said = item({**USER, "id": "x", "content": content, "status": "completed"})
    assert isinstance(said, UserMessage)
    assert [type(part) for part in said.content] == [InputText, InputAudio, InputImage]
    spoken = {"type": "output_audio", "transcript": "b"}
    reply = {"type": "message", "role": "assistant", "content": [spoken]}
    assert item(reply).content[0].transcript == "b"
    call = item({"type": "function_call", "name": "f", "arguments": "{}"})
    assert isinstance(call, FunctionCall)
    result = item({"type": "function_call_output", "call_id": "c", "output": ""})
    assert isinstance(result, FunctionCallOutput)


def test_a_response_may_refer_to_items() -> None:
    event = parse(
        json.dumps(
            {
                "type": "response.create",
                "response": {"input": [{"type": "item_reference", "id": "x"}]},
            }
        )
    )
    assert isinstance(event, schema.ResponseCreate)
    assert event.response is not None
    assert event.response.input == (ItemReference(type="item_reference", id="x"),)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (RealtimeSession, {"tools": [0] * 1_000}),
        (Transcription, {"keywords": [0] * 1_000}),
        (schema.ResponseParams, {"input": [0] * 1_000}),
        (UserMessage, {"type": "message", "role": "user", "content": [0] * 1_000}),
    ],
)
def test_of_many_wrong_values_one_is_told(
    model: type[BaseModel], data: dict[str, Any]
) -> None:
    # An error takes some microseconds each, in which no conversation goes on.
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    assert caught.value.error_count() == 1
