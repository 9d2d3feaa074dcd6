from dataclasses import replace

import pytest

from antiphon.v1 import audio_pb2, stage_pb2, tts_pb2
from services.runtime.errors import InvalidArgument
from services.tts.config import read_config
from services.tts.engines import Voice
from services.tts.settings import TextToSpeechSettings
from services.tts.speakable import make_speakable
from tests.fakes.voice import ScriptedEngine

CAN = ScriptedEngine().capabilities
CLONES = ScriptedEngine(cloning=True).capabilities
OBEYS = replace(CAN, instructions=True)
UNHURRIED = replace(CAN, speed=False)
MUTE = replace(CAN, cloning=True, reference_required=True)


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


def test_half_a_minute_of_any_rate_fits_into_a_message() -> None:
    config = reference(48_000, 48_000 * 2 * 30)
    config.reference.transcript = "a" * 1_000
    config.instructions = "b" * 1_000
    request = tts_pb2.SynthesizeRequest(config=config)
    assert request.ByteSize() < TextToSpeechSettings().max_message_bytes
    assert read_config(config, replace(CLONES, instructions=True)).delivery.reference


def test_what_a_sample_says_and_how_to_speak_are_no_novels() -> None:
    config = reference(8_000, 64_000)
    config.reference.transcript = "a" * 1_001
    with pytest.raises(InvalidArgument, match="at most 1000") as caught:
        read_config(config, CLONES)
    assert caught.value.field == "config.reference.transcript"
    with pytest.raises(InvalidArgument, match="at most 1000") as caught:
        read_config(tts_pb2.SynthesizeConfig(instructions="a" * 1_001), OBEYS)
    assert caught.value.field == "config.instructions"


@pytest.mark.parametrize("speed", [0.5, 1.2, 3.0])
def test_an_engine_with_a_speed_of_its_own_is_not_hurried(speed: float) -> None:
    with pytest.raises(InvalidArgument, match="1, or 0") as caught:
        read_config(tts_pb2.SynthesizeConfig(speed=speed), UNHURRIED)
    assert caught.value.field == "config.speed"


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_its_own_speed_may_be_asked_of_any_engine(speed: float) -> None:
    config = read_config(tts_pb2.SynthesizeConfig(speed=speed), UNHURRIED)
    assert config.delivery.speed == 1.0


def test_a_model_without_a_voice_says_what_it_needs() -> None:
    with pytest.raises(InvalidArgument, match="3 to 30 seconds") as caught:
        read_config(tts_pb2.SynthesizeConfig(), MUTE)
    assert caught.value.field == "config.reference"
    assert read_config(reference(8_000, 64_000), MUTE).delivery.reference


@pytest.mark.parametrize("tag", ["auto", "", "zh-Hant-TW", "x-klingon"])
def test_a_language_that_is_found_out_by_the_engine_can_be_spoken(tag: str) -> None:
    voice = Voice("polyglot", ("auto", "zh", "en", "x-klingon"), "")
    config = read_config(
        tts_pb2.SynthesizeConfig(language=tag), replace(CAN, voices=(voice,))
    )
    spoken = make_speakable(
        "**$3.50** on the 3rd, 你好！", True, config.delivery.language
    )
    assert "3" in spoken.text
