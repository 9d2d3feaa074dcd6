import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fronts.realtime.audio_fields import SemanticVad, ServerVad
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.fields import BETA, RealtimeSession
from tests.unit.realtime.events import JSON, places


def wrong(update: dict[str, Any], within: str = "session") -> WireError:
    with pytest.raises(WireError) as caught:
        RealtimeSession().merged(update, within)
    return caught.value


def audio_input(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": fields}}


def audio_output(**fields: Any) -> dict[str, Any]:
    return {"audio": {"output": fields}}


FULL: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "Be kind.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 16000},
            "noise_reduction": {"type": "near_field"},
            "transcription": {
                "model": "whisper-1",
                "language": "en",
                "prompt": "Antiphon",
            },
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.6,
                "prefix_padding_ms": 200,
                "silence_duration_ms": 700,
                "idle_timeout_ms": 6000,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {
            "format": {"type": "audio/pcma"},
            "voice": {"id": "amy"},
            "speed": 1.2,
        },
    },
    "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {}}],
    "tool_choice": {"type": "function", "name": "f"},
    "max_output_tokens": 200,
    "temperature": 0.8,
    "truncation": "auto",
    "tracing": {"workflow_name": "w"},
    "include": [],
    "prompt": None,
    "reasoning": None,
    "parallel_tool_calls": True,
    "antiphon": {"waterfall": True, "ducking": False, "partials": True},
}


def test_every_field_of_the_protocol_is_read() -> None:
    assert set(FULL) == set(RealtimeSession.model_fields)
    session = RealtimeSession().merged(FULL)
    said = json.loads(json.dumps(session.model_dump(exclude_unset=True)))
    assert said == FULL


def test_an_empty_update_changes_nothing() -> None:
    session = RealtimeSession().merged(FULL)
    assert session.merged({}) == session
    assert session.merged({"audio": {"input": {}, "output": {}}}) == session


def test_absent_fields_stay_as_they_are() -> None:
    session = RealtimeSession().merged(FULL)
    changed = session.merged(audio_input(turn_detection={"threshold": 0.9}))
    expected = json.loads(json.dumps(FULL))
    expected["audio"]["input"]["turn_detection"]["threshold"] = 0.9
    assert changed == RealtimeSession().merged(expected)


def test_an_object_that_is_null_says_nothing() -> None:
    session = RealtimeSession().merged(FULL)
    assert session.merged({"audio": None, "antiphon": None}) == session
    assert session.merged({"audio": {"input": None, "output": None}}) == session


def test_null_takes_a_field_back() -> None:
    session = RealtimeSession().merged(FULL)
    fields = (
        "instructions",
        "tools",
        "tool_choice",
        "max_output_tokens",
        "temperature",
        "tracing",
    )
    session = session.merged(dict.fromkeys(fields))
    for field in fields:
        assert getattr(session, field) is None


def test_turns_are_detected_by_silence_unless_the_client_turns_that_off() -> None:
    session = RealtimeSession()
    assert session.audio.input.turn_detection == ServerVad()
    session = session.merged(audio_input(turn_detection=None))
    assert session.audio.input.turn_detection is None
    session = session.merged({"instructions": "x"})
    assert session.audio.input.turn_detection is None


def test_another_kind_of_turn_detection_begins_with_its_defaults() -> None:
    session = RealtimeSession().merged(FULL)
    session = session.merged(audio_input(turn_detection={"type": "semantic_vad"}))
    assert session.audio.input.turn_detection == SemanticVad(type="semantic_vad")
    session = session.merged(audio_input(turn_detection={"type": "server_vad"}))
    assert session.audio.input.turn_detection == ServerVad(type="server_vad")


def test_turn_detection_that_was_off_has_to_say_what_it_is() -> None:
    session = RealtimeSession().merged(audio_input(turn_detection=None))
    with pytest.raises(WireError) as caught:
        session.merged(audio_input(turn_detection={"threshold": 0.4}))
    assert caught.value.code == "missing_required_parameter"
    assert caught.value.param == "session.audio.input.turn_detection.type"


def test_transcription_is_off_until_it_is_asked_for() -> None:
    session = RealtimeSession()
    assert session.audio.input.transcription is None
    session = session.merged(audio_input(transcription={"model": "whisper-1"}))
    session = session.merged(audio_input(transcription={"language": "de"}))
    assert session.audio.input.transcription is not None
    assert session.audio.input.transcription.model == "whisper-1"
    session = session.merged(audio_input(transcription=None))
    assert session.audio.input.transcription is None


def test_tools_are_replaced_not_added() -> None:
    session = RealtimeSession().merged(FULL)
    assert session.merged({"tools": []}).tools == ()
    assert session.tools is not None
    assert len(session.merged({"tools": [{"name": "g"}]}).tools or ()) == 1


def test_a_session_that_could_not_be_changed_stays_as_it_was() -> None:
    session = RealtimeSession().merged(FULL)
    with pytest.raises(WireError):
        session.merged({"instructions": "other", "voice": "alloy"})
    assert session == RealtimeSession().merged(FULL)


@pytest.mark.parametrize(("old", "new"), BETA.items())
def test_a_name_of_the_beta_is_answered_with_the_name_of_today(
    old: str, new: str
) -> None:
    error = wrong({old: None})
    assert (error.code, error.param) == ("unknown_parameter", f"session.{old}")
    assert new in error.message


@pytest.mark.parametrize(
    ("update", "param"),
    [
        (
            audio_input(transcription={"languages": ["en"]}),
            "audio.input.transcription.languages",
        ),
        (
            audio_input(transcription={"delay": "low"}),
            "audio.input.transcription.delay",
        ),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0]"),
        ({"truncation": "disabled"}, "truncation"),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}},
            "truncation",
        ),
        ({"include": ["item.input_audio_transcription.logprobs"]}, "include"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"reasoning": {"effort": "low"}}, "reasoning"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
    ],
)
def test_what_is_not_done_is_refused_by_name(
    update: dict[str, Any], param: str
) -> None:
    error = wrong(update)
    assert (error.code, error.param) == ("not_supported", f"session.{param}")
    assert "allowed: " in error.message


@pytest.mark.parametrize(
    ("update", "param", "allowed"),
    [
        ({"type": "transcription"}, "type", "'realtime'"),
        ({"type": "other"}, "type", "'realtime'"),
        (
            {"output_modalities": ["audio", "text"]},
            "output_modalities",
            '["audio"] or ["text"]',
        ),
        ({"output_modalities": []}, "output_modalities", '["audio"] or ["text"]'),
        ({"output_modalities": ["video"]}, "output_modalities[0]", "'audio' or 'text'"),
        ({"output_modalities": "audio"}, "output_modalities", "a list"),
        ({"max_output_tokens": 0}, "max_output_tokens", '1 to 32768, "inf" or null'),
        ({"max_output_tokens": True}, "max_output_tokens", '1 to 32768, "inf" or null'),
        (
            {"max_output_tokens": "many"},
            "max_output_tokens",
            '1 to 32768, "inf" or null',
        ),
        ({"temperature": 2.1}, "temperature", "0 to 2"),
        ({"temperature": "hot"}, "temperature", "a number"),
        ({"tool_choice": "maybe"}, "tool_choice", "'auto', 'none' or 'required'"),
        (
            {"tool_choice": {"type": "mcp", "name": "x"}},
            "tool_choice.type",
            "'function'",
        ),
        ({"tools": {}}, "tools", "a list"),
        ({"tracing": "always"}, "tracing", "'auto'"),
        ({"instructions": "x" * 32_769}, "instructions", "at most 32768"),
        ({"audio": []}, "audio", "an object"),
        (audio_input(format="pcm16"), "audio.input.format", "an object"),
        (
            audio_input(format={"type": "audio/opus"}),
            "audio.input.format.type",
            "'audio/pcmu'",
        ),
        (
            audio_input(format={"rate": 7_999}),
            "audio.input.format.rate",
            "8,000 to 48,000 Hz",
        ),
        (
            audio_input(format={"type": "audio/pcmu", "rate": 16_000}),
            "audio.input.format",
            "8000 for G.711",
        ),
        (
            audio_input(turn_detection={"type": "none"}),
            "audio.input.turn_detection.type",
            "semantic_vad",
        ),
        (
            audio_input(turn_detection={"type": "semantic_vad", "threshold": 0.5}),
            "audio.input.turn_detection.threshold",
            "eagerness",
        ),
        (
            audio_input(turn_detection={"type": "server_vad", "threshold": 1.1}),
            "audio.input.turn_detection.threshold",
            "0 to 1",
        ),
        (
            audio_input(
                turn_detection={"type": "server_vad", "silence_duration_ms": 50}
            ),
            "audio.input.turn_detection.silence_duration_ms",
            "100 to 5,000 ms",
        ),
        (
            audio_input(
                turn_detection={"type": "server_vad", "prefix_padding_ms": 2_001}
            ),
            "audio.input.turn_detection.prefix_padding_ms",
            "0 to 2,000 ms",
        ),
        (
            audio_input(turn_detection={"type": "server_vad", "idle_timeout_ms": 10}),
            "audio.input.turn_detection.idle_timeout_ms",
            "1,000 to 3,600,000 ms",
        ),
        (
            audio_input(turn_detection={"type": "semantic_vad", "eagerness": "some"}),
            "audio.input.turn_detection.eagerness",
            "'low', 'medium', 'high' or 'auto'",
        ),
        (audio_output(speed=2.5), "audio.output.speed", "0.5 to 2.0"),
        (audio_output(voice=7), "audio.output.voice", "a string"),
        (audio_output(voice={"name": "amy"}), "audio.output.voice.name", "id"),
        ({"antiphon": {"waterfall": "yes"}}, "antiphon.waterfall", "true or false"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_allowed(
    update: dict[str, Any], param: str, allowed: str
) -> None:
    error = wrong(update)
    assert error.param == f"session.{param}"
    assert error.code in ("invalid_value", "unknown_parameter")
    assert allowed in error.message


def test_an_error_is_about_the_object_that_the_client_sent() -> None:
    assert wrong({"temperature": 3}, "response").param == "response.temperature"


@given(st.data())
def test_an_update_with_anything_anywhere_is_taken_or_refused(
    data: st.DataObject,
) -> None:
    update = json.loads(json.dumps(FULL))
    container, key = data.draw(st.sampled_from(places(update)))
    container[key] = data.draw(JSON)
    try:
        session = RealtimeSession().merged(update)
    except WireError as error:
        json.dumps(error.to_event("event_1"), allow_nan=False).encode()
    else:
        assert session.merged({}) == session
