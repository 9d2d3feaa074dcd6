"""What three stages say of themselves, in tests of what clients may ask for."""

from antiphon.v1 import llm_pb2, stt_pb2, tts_pb2
from antiphon.v1.stage_pb2 import EngineInfo
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
