"""What three stages say of themselves, and short ways to ask for something, in tests of what clients may ask for."""

import json
from typing import Any

import pytest

from antiphon.v1 import llm_pb2, stt_pb2, tts_pb2
from antiphon.v1.stage_pb2 import EngineInfo
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.wishes import session_object, to_options
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities

SETTINGS = GatewaySettings(_env_file=None)


def able(
    hints: bool = False, speed: bool = False, tools: bool = True, context: int = 8_192
) -> Abilities:
    return Abilities(
        stt_pb2.SpeechToTextDescribeResponse(
            engine=EngineInfo(engine="whisper", model="tiny"),
            languages=["auto", "en", "de"],
            hint_phrases=hints,
        ),
        llm_pb2.LanguageModelDescribeResponse(
            models=[
                llm_pb2.ModelAlias(name="default", tools=tools, context_tokens=context),
                llm_pb2.ModelAlias(name="clever", tools=True, images=True),
            ]
        ),
        tts_pb2.TextToSpeechDescribeResponse(
            voices=[
                tts_pb2.Voice(name="amy", languages=["en-GB"]),
                tts_pb2.Voice(name="thorsten", languages=["de-DE"]),
            ],
            speed=speed,
        ),
    )


UNKNOWN = Abilities(None, None, None)


def session(update: dict[str, Any]) -> RealtimeSession:
    return RealtimeSession().merged(update)


def listening(**fields: Any) -> RealtimeSession:
    return session({"audio": {"input": fields}})


def speaking(**fields: Any) -> RealtimeSession:
    return session({"audio": {"output": fields}})


def detecting(type: str, **fields: Any) -> RealtimeSession:
    return listening(turn_detection={"type": type, **fields})


def options(
    asked: RealtimeSession,
    abilities: Abilities | None = None,
    settings: GatewaySettings = SETTINGS,
) -> Options:
    return to_options(asked, settings, abilities or able())


def wrong(asked: RealtimeSession, abilities: Abilities | None = None) -> WireError:
    with pytest.raises(WireError) as caught:
        options(asked, abilities)
    return caught.value


def told(
    asked: RealtimeSession, abilities: Abilities | None = None, rate: int = 24_000
) -> dict[str, Any]:
    said = session_object(asked, SETTINGS, abilities or able(), "sess_1", rate)
    return json.loads(json.dumps(said, allow_nan=False))
