import pytest
from openai.types.realtime import RealtimeErrorEvent

from gateway.conversation.values import Refusal
from gateway.fronts.openai.errors import NotFound
from gateway.fronts.realtime.errors import REFUSALS, WireError, from_antiphon, refused
from services.runtime.errors import (
    AntiphonError,
    DeadlineExceeded,
    EngineError,
    FailedPrecondition,
    Full,
    InvalidArgument,
    TooMuch,
    Unavailable,
)


def test_an_error_is_the_event_of_the_official_sdk() -> None:
    error = WireError("no", code="c", param="p", event_id="mine")
    event = RealtimeErrorEvent.model_validate(error.to_event("event_1"))
    assert event.event_id == "event_1"
    assert event.error.model_dump() == {
        "type": "invalid_request_error",
        "code": "c",
        "message": "no",
        "param": "p",
        "event_id": "mine",
    }


def test_a_message_is_never_longer_than_a_person_reads() -> None:
    assert len(refused("x", "is wrong", ["a" * 50] * 1_000).message) == 1_000


def test_every_refusal_of_a_conversation_has_a_code() -> None:
    assert set(REFUSALS) == set(Refusal)
    assert len(set(REFUSALS.values())) == len(REFUSALS)


@pytest.mark.parametrize(
    ("error", "type", "code"),
    [
        (Full("f"), "server_error", "overloaded"),
        (Unavailable("u"), "server_error", "unavailable"),
        (DeadlineExceeded("d"), "server_error", "timeout"),
        (FailedPrecondition("p"), "server_error", "not_configured"),
        (EngineError("e"), "server_error", "engine_failed"),
        (TooMuch("t"), "invalid_request_error", "request_too_large"),
        (InvalidArgument("", "i"), "invalid_request_error", "invalid_value"),
        (
            NotFound("model", "m", "model_not_found"),
            "invalid_request_error",
            "model_not_found",
        ),
    ],
)
def test_an_error_of_ours_is_what_it_is_over_http(
    error: AntiphonError, type: str, code: str
) -> None:
    told = from_antiphon(error, "mine")
    assert (told.type, told.code, told.event_id) == (type, code, "mine")
    assert told.message == error.message


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("config.voice", "session.audio.output.voice"),
        ("config.voice_reference.samples", "session.audio.output.voice"),
        ("config.speed", "session.audio.output.speed"),
        ("config.language", "session.audio.input.transcription.language"),
        ("config.instructions", "session.instructions"),
        ("config.sampling.max_tokens", "session.max_output_tokens"),
        ("config.sampling.temperature", "session.temperature"),
        ("config.output_format.sample_rate", "session.audio.output.format"),
        ("config.tools[2].parameters_json", "session.tools[2].parameters"),
        ("config.tools", "session.tools"),
        ("config.tool_choice.mode", "session.tool_choice"),
        ("audio", "audio"),
    ],
)
def test_a_field_of_the_contract_is_named_as_the_protocol_has_it(
    field: str, param: str
) -> None:
    told = from_antiphon(InvalidArgument(field, "is wrong", "right ones"))
    assert told.param == param
    assert told.message == f"{param}: is wrong; allowed: right ones"
