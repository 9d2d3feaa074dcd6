import pytest

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import tts_pb2
from gateway.fronts.config import to_options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities

VOICES = tts_pb2.TextToSpeechDescribeResponse(
    voices=[
        tts_pb2.Voice(name="joe", languages=["en-US"]),
        tts_pb2.Voice(name="ryan", languages=["en", "zh-Hant", "de", "und"]),
    ]
)


@pytest.mark.parametrize(
    ("voice", "language", "spoken"),
    [
        ("ryan", "de", "de"),
        ("ryan", "de-AT", "de-AT"),
        ("ryan", "zh-hant-TW", "zh-hant-TW"),
        ("ryan", "auto", "und"),
        ("ryan", "", ""),
        ("ryan", "fr", ""),
        ("ryan", "zh", ""),
        ("joe", "de", ""),
        ("joe", "en", ""),
        ("joe", "auto", ""),
        ("", "de", ""),
        ("", "en-US", "en-US"),
    ],
)
def test_a_reply_is_in_the_language_of_the_conversation_where_the_voice_speaks_it(
    voice: str, language: str, spoken: str
) -> None:
    config = pb.ConversationConfig(voice=voice, language=language)
    abilities = Abilities(None, None, VOICES)
    options = to_options(config, GatewaySettings(), abilities)
    assert options.language == language
    assert options.reply_language == spoken


def test_a_voice_that_could_not_be_asked_speaks_its_own_language() -> None:
    config = pb.ConversationConfig(language="de")
    options = to_options(config, GatewaySettings(), Abilities(None, None, None))
    assert options.reply_language == ""
