import pytest
from openai.types.realtime import SessionCreatedEvent

from gateway.fronts.realtime.fields import RealtimeSession
from tests.fakes.stock_sessions import REACHY, STOCK
from tests.unit.realtime.stages import (
    SETTINGS,
    detecting,
    listening,
    options,
    session,
    told,
)

OF_THE_SERVER = ("id", "object", "expires_at")
"""Fields that a session has and no client says."""


def test_a_session_is_told_with_every_default_filled_in() -> None:
    said = told(RealtimeSession())
    assert SessionCreatedEvent.model_validate(
        {"type": "session.created", "event_id": "e", "session": said}
    )
    assert said["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert said["audio"]["output"]["voice"] == "amy"
    assert said["instructions"] == SETTINGS.instructions
    assert said["max_output_tokens"] == SETTINGS.max_tokens
    assert said["model"] == "default"
    assert "antiphon" not in said


def test_what_a_robot_asks_for_is_told_as_it_is_done() -> None:
    said = told(session(REACHY), rate=16_000)
    heard, spoken = said["audio"]["input"], said["audio"]["output"]
    assert heard["format"] == spoken["format"] == {"type": "audio/pcm", "rate": 16_000}
    assert heard["turn_detection"]["threshold"] == 0.6
    assert heard["transcription"]["model"] == "tiny"
    assert heard["transcription"]["language"] == "en"
    assert spoken["voice"] == "amy"
    assert said["tools"] == REACHY["tools"]


def test_what_is_told_can_be_asked_for_again() -> None:
    for asked in (
        RealtimeSession(),
        session(REACHY),
        detecting("semantic_vad", eagerness="low", interrupt_response=False),
        listening(turn_detection=None),
        listening(noise_reduction={"type": "far_field"}),
        session({"antiphon": {"waterfall": True}, "temperature": 0.3}),
        session({"tracing": {"workflow_name": "w"}, "output_modalities": ["text"]}),
    ):
        said = told(asked)
        repeated = {name: said[name] for name in said if name not in OF_THE_SERVER}
        assert told(session(repeated)) == said


@pytest.mark.parametrize("name", STOCK)
def test_what_stock_clients_send_unasked_is_taken(name: str) -> None:
    made = options(session(STOCK[name]))
    assert (made.model, made.voice) == ("default", "")
    assert made.policy.respond
    assert made.policy.partials
    assert told(session(STOCK[name]))["audio"]["output"]["voice"] == "amy"
