"""What a client may ask for when a conversation opens, and what it is told where that cannot be."""

import grpc
import pytest

from antiphon.v1.tts_pb2 import ReferenceAudio
from tests.fakes.running_gateway import Client, RunningGateway, ask
from tests.fakes.stages import Script


async def test_a_voice_that_can_speaks_as_fast_as_it_is_told(
    gateway: RunningGateway, script: Script
) -> None:
    script.any_speed = True
    client = await Client.open(gateway, speed=1.25)
    await ask(client)
    assert [config.speed for config in script.voiced] == [1.25]


async def test_a_voice_that_can_speaks_the_language_of_the_conversation(
    gateway: RunningGateway, script: Script
) -> None:
    script.languages = ("en", "de")
    client = await Client.open(gateway, language="de")
    await ask(client)
    assert [config.language for config in script.voiced] == ["de"]


async def test_a_voice_is_told_how_to_speak_and_whom_to_imitate(
    gateway: RunningGateway, script: Script
) -> None:
    script.imitates = script.voiceless = True
    reference = {
        "format": {"sample_rate": 24_000},
        "samples": bytes(2 * 24_000 * 4),
        "transcript": "It was a long night.",
    }
    client = await Client.open(
        gateway, voice_instructions="like a sailor", voice_reference=reference
    )
    await ask(client)
    (config,) = script.voiced
    assert config.instructions == "like a sailor"
    assert config.reference == ReferenceAudio(**reference)


async def test_a_voice_that_is_none_without_an_example_is_refused_before_the_first_turn(
    gateway: RunningGateway, script: Script
) -> None:
    script.imitates = script.voiceless = True
    client = Client(gateway.stub.Converse())
    await client.send(config={})
    with pytest.raises(grpc.aio.AioRpcError, match="3 to 30 seconds") as error:
        await client.next()
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("config", "field", "allowed"),
    [
        ({"voice": "nobody"}, "config.voice", "scripted"),
        ({"language": "xx"}, "config.language", "en"),
        ({"model": "huge"}, "config.model", "default"),
        ({"model": "x" * 257}, "config.model", "at most 256"),
        ({"speed": 9.0}, "config.speed", "0.5 to 2.0"),
        ({"speed": 1.2}, "config.speed", "1.0, or 0"),
        ({"voice_instructions": "x" * 1001}, "config.voice_instructions", "1000"),
        ({"voice_instructions": "softly"}, "config.voice_instructions", "empty"),
        (
            {"voice_reference": {"samples": b"12"}},
            "config.voice_reference.format.sample_rate",
            "8000 to 48000",
        ),
        (
            {
                "voice_reference": {
                    "format": {"sample_rate": 8000},
                    "samples": bytes(16_000),
                }
            },
            "config.voice_reference.samples",
            "3 to 30",
        ),
        (
            {
                "voice_reference": {
                    "format": {"sample_rate": 8000},
                    "samples": bytes(64_000),
                }
            },
            "config.voice_reference",
            "leave it out",
        ),
        (
            {"input_format": {"encoding": 7}},
            "config.input_format.encoding",
            "PCM_S16LE",
        ),
        (
            {"input_format": {"sample_rate": 100}},
            "config.input_format.sample_rate",
            "8000 to 48000",
        ),
        (
            {"turn_taking": {"silence": {"silence": {"seconds": 60}}}},
            "config.turn_taking.silence",
            "5 s",
        ),
        ({"instructions": "x" * 40_000}, "config.instructions", "32768"),
        ({"sampling": {"temperature": 9}}, "config.sampling.temperature", "0 to 2"),
        ({"sampling": {"stop": [""]}}, "config.sampling.stop", "at least one"),
        (
            {"tool_choice": {"tool": "nope"}, "tools": [{"name": "clock"}]},
            "config.tool_choice.tool",
            "clock",
        ),
        ({"tool_choice": {"mode": 3}}, "config.tool_choice.mode", "AUTO, NONE"),
        ({"tools": [{"name": "a b"}]}, "config.tools[0].name", "letters"),
        ({"tools": [{"name": "a"}, {"name": "a"}]}, "config.tools[1].name", "distinct"),
        (
            {"tools": [{"name": "a", "parameters_json": "[]"}]},
            "config.tools[0].parameters_json",
            "JSON",
        ),
        (
            {"sampling": {"max_tokens": 10**6}},
            "config.sampling.max_tokens",
            "1 to 32768",
        ),
    ],
)
async def test_bad_config_names_the_field_and_what_is_allowed(
    gateway: RunningGateway, config: dict[str, object], field: str, allowed: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await Client.open(gateway, **config)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(error.value.details())
    assert allowed in str(error.value.details())
