import pytest

from antiphon.v1 import audio_pb2, stage_pb2, tts_pb2
from services.runtime.errors import InvalidArgument
from services.tts.config import read_config
from tests.fakes.voice import ScriptedEngine

CAN = ScriptedEngine().capabilities
CLONES = ScriptedEngine(cloning=True).capabilities


def test_every_default_is_filled_in() -> None:
    config = read_config(tts_pb2.SynthesizeConfig(), CAN)
    assert config.sample_rate == 16_000
    assert config.delivery.voice == "alto"
    assert config.delivery.language == "en-US"
    assert config.delivery.speed == 1.0


@pytest.mark.parametrize(
    ("tag", "language"), [("en", "en"), ("EN-us", "en-US"), ("en-GB", "en")]
)
def test_a_language_is_also_spoken_to_those_who_ask_for_a_kind_of_it(
    tag: str, language: str
) -> None:
    config = read_config(tts_pb2.SynthesizeConfig(language=tag), CAN)
    assert config.delivery.language == language


@pytest.mark.parametrize(
    ("config", "field", "allowed"),
    [
        (tts_pb2.SynthesizeConfig(voice="nobody"), "config.voice", "alto, bass"),
        (tts_pb2.SynthesizeConfig(language="fr"), "config.language", "en-US, en"),
        (
            tts_pb2.SynthesizeConfig(voice="bass", language="en"),
            "config.language",
            "de",
        ),
        (tts_pb2.SynthesizeConfig(speed=2.1), "config.speed", "0.5 to 2.0"),
        (tts_pb2.SynthesizeConfig(speed=-1), "config.speed", "0.5 to 2.0"),
        (tts_pb2.SynthesizeConfig(speed=float("nan")), "config.speed", "0.5 to 2.0"),
        (tts_pb2.SynthesizeConfig(instructions="sing"), "config.instructions", "empty"),
        (
            tts_pb2.SynthesizeConfig(reference=tts_pb2.ReferenceAudio()),
            "config.reference",
            "leave it out",
        ),
        (
            tts_pb2.SynthesizeConfig(format=audio_pb2.AudioFormat(sample_rate=7_999)),
            "config.format.sample_rate",
            "8000 to 48000",
        ),
        (
            tts_pb2.SynthesizeConfig(format=audio_pb2.AudioFormat(encoding=7)),  # type: ignore[arg-type]
            "config.format.encoding",
            "PCM_S16LE",
        ),
        (
            tts_pb2.SynthesizeConfig(turn=stage_pb2.TurnRef(conversation_id="a b")),
            "config.turn.conversation_id",
            "letters",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(
    config: tts_pb2.SynthesizeConfig, field: str, allowed: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_config(config, CAN)
    assert caught.value.field == field
    assert allowed in caught.value.problem


def reference(rate: int, count: int) -> tts_pb2.SynthesizeConfig:
    return tts_pb2.SynthesizeConfig(
        reference=tts_pb2.ReferenceAudio(
            format=audio_pb2.AudioFormat(sample_rate=rate), samples=b"\1" * count
        )
    )


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (reference(0, 64_000), "config.reference.format.sample_rate"),
        (reference(8_000, 64_001), "config.reference.samples"),
        (reference(8_000, 16_000), "config.reference.samples"),
        (reference(8_000, 16_000 * 31), "config.reference.samples"),
    ],
)
def test_a_voice_to_imitate_is_checked_where_that_is_possible(
    config: tts_pb2.SynthesizeConfig, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_config(config, CLONES)
    assert caught.value.field == field


def test_a_voice_to_imitate_reaches_the_engine() -> None:
    given = read_config(reference(8_000, 64_000), CLONES).delivery.reference
    assert given is not None
    assert (len(given.samples), given.sample_rate) == (32_000, 8_000)
