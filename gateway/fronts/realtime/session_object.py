"""The session as its client is told: what is in force, every default filled in."""

from typing import Any

from gateway.conversation.values import Interrupt
from gateway.fronts.realtime.audio_fields import SemanticVad, ServerVad
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.manner import (
    DEFAULT_RATE,
    input_format,
    output_format,
    to_options,
)
from gateway.fronts.realtime.reading import Json
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities


def session_object(
    session: RealtimeSession,
    settings: GatewaySettings,
    abilities: Abilities,
    id: str,
    rate: int = DEFAULT_RATE,
    expires_at: int | None = None,
) -> dict[str, Any]:
    """The ``session`` of ``session.created`` and ``session.updated``.

    Names are those of what really answers: the model's alias, the voice that speaks, the model that transcribes.

    Args:
        session: what the client asked for; `to_options` takes it.
        settings: of the gateway.
        abilities: of the stages.
        id: of the session, such as ``sess_1``.
        rate: of PCM where the client names none, in Hz.
        expires_at: when it ends at the latest, in Unix seconds; None for never.

    Raises:
        WireError: as `to_options`.
    """
    options = to_options(session, settings, abilities, rate)
    said: Json = {
        "id": id,
        "object": "realtime.session",
        "type": "realtime",
        "expires_at": expires_at,
        "model": options.model or "default",
        "output_modalities": ["audio"] if session.spoken else ["text"],
        "instructions": options.instructions,
        "audio": {
            "input": {
                "format": input_format(session, rate).to_wire(),
                "noise_reduction": _dumped(session)["audio"]["input"][
                    "noise_reduction"
                ],
                "transcription": _transcription(session, options, abilities),
                "turn_detection": _turn_detection(session, options),
            },
            "output": {
                "format": output_format(session, rate).to_wire(),
                "voice": options.voice or _first_voice(abilities),
                "speed": options.speed,
            },
        },
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description or "",
                "parameters": tool.parameters or {},
            }
            for tool in session.tools or ()
        ],
        "tool_choice": _tool_choice(session),
        "max_output_tokens": session.max_output_tokens or options.sampling.max_tokens,
        "parallel_tool_calls": True,
        "truncation": "auto",
        "tracing": _dumped(session).get("tracing"),
        "include": None,
        "prompt": None,
    }
    if options.sampling.HasField("temperature"):
        said["temperature"] = round(options.sampling.temperature, 6)
    if "antiphon" in session.model_fields_set:
        said["antiphon"] = session.antiphon.model_dump()
    return said


def _transcription(
    session: RealtimeSession, options: Options, abilities: Abilities
) -> Json | None:
    asked = session.audio.input.transcription
    if asked is None:
        return None
    engine = abilities.stt.engine if abilities.stt else None
    model = (engine.model or engine.engine) if engine else asked.model
    said: Json = {"model": model or "default", "language": options.language or None}
    said["prompt"] = asked.prompt
    if asked.keywords:
        said["keywords"] = list(asked.keywords)
    return said


def _turn_detection(session: RealtimeSession, options: Options) -> Json | None:
    detection = session.audio.input.turn_detection
    policy = options.policy
    answers = {
        "create_response": policy.respond,
        "interrupt_response": policy.turns.interrupt
        not in (Interrupt.LISTEN, Interrupt.NEVER),
    }
    match detection:
        case None:
            return None
        case SemanticVad():
            return {
                "type": "semantic_vad",
                "eagerness": policy.turns.eagerness.value,
                **answers,
            }
        case ServerVad():
            return {
                "type": "server_vad",
                "threshold": options.voice_threshold,
                "prefix_padding_ms": round(policy.preroll * 1000),
                "silence_duration_ms": round(policy.turns.silence * 1000),
                "idle_timeout_ms": detection.idle_timeout_ms,
                **answers,
            }


def _first_voice(abilities: Abilities) -> str:
    voices = abilities.tts.voices if abilities.tts else ()
    return voices[0].name if voices else "default"


def _tool_choice(session: RealtimeSession) -> str | Json:
    choice: str | Json | None = _dumped(session).get("tool_choice")
    return choice or "auto"


def _dumped(session: RealtimeSession) -> Json:
    return session.model_dump(include={"audio", "tracing", "tool_choice"})
