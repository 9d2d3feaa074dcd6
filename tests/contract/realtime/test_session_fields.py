"""What a session asks for is what the stages are asked for, and what is heard."""

from collections import Counter
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from antiphon.v1 import llm_pb2
from gateway.hearing.voice import Floats, VoiceState
from tests.fakes.hearing import LoudnessVoice, silence, speech
from tests.fakes.running_realtime import (
    Client,
    RunningRealtime,
    connected,
    running_realtime,
)
from tests.fakes.saying import said_in, saying
from tests.fakes.stages import Script, serving, tone

CODECS = {"audio/pcmu": "pcm_mulaw", "audio/pcma": "pcm_alaw"}
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def both_ways(format: dict[str, Any]) -> dict[str, Any]:
    return {"input": {"format": format}, "output": {"format": format}}


def detecting(type: str, **fields: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": {"type": type, **fields}}}


def on_the_wire(type: str, pcm: bytes) -> bytes:
    """16 kHz PCM in G.711, by FFmpeg."""
    codec = av.CodecContext.create(CODECS[type], "w")
    codec.sample_rate = 8_000
    codec.layout = "mono"
    codec.format = "s16"
    samples = np.frombuffer(pcm, "<i2")[::2].copy()
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = 8_000
    return b"".join(bytes(p) for p in [*codec.encode(frame), *codec.encode(None)])


def from_the_wire(type: str, data: bytes) -> npt.NDArray[np.int16]:
    codec = av.CodecContext.create(CODECS[type], "r")
    codec.sample_rate = 8_000
    codec.layout = "mono"
    return np.concatenate([f.to_ndarray()[0] for f in codec.decode(av.Packet(data))])


async def ask(client: Client) -> dict[str, Any]:
    await client.say(speech(0.5) + silence(0.8))
    done: dict[str, Any] = (await client.until("response.done"))["response"]
    return done


@pytest.mark.parametrize("type", ["audio/pcmu", "audio/pcma"])
async def test_a_conversation_is_held_in_g711(
    gateway: RunningRealtime, script: Script, type: str
) -> None:
    script.write = lambda _request: ["Hello."]
    script.sound = tone
    async with connected(
        gateway, audio=both_ways({"type": type, "rate": None})
    ) as client:
        await client.say(on_the_wire(type, speech(0.5) + silence(0.8)))
        await client.until("response.done")
        assert script.transcribed and script.transcribed[-1] > 0.5
        assert script.voiced[-1].format.sample_rate == 8_000
        heard = from_the_wire(type, client.audio())
        said = np.frombuffer(tone("x") * len("Hello."), "<i2")
        assert len(heard) == len(said)
        assert np.abs(heard.astype(int) - said).max() < 8_000 / 16


async def test_a_format_may_change_while_one_talks(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await ask(client)
    await client.update(audio=both_ways({"type": "audio/pcm", "rate": 8_000}))
    samples = np.frombuffer(speech(0.5) + silence(0.8), "<i2")[::2].tobytes()
    await client.say(samples)
    await client.until("response.done")
    rates = [config.format.sample_rate for config in script.voiced]
    assert rates[0] == 16_000 and rates[-1] == 8_000


async def test_what_the_model_is_to_be_told_reaches_it(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    async with connected(
        gateway,
        instructions="Be kind.",
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        max_output_tokens=77,
        temperature=0.25,
    ) as client:
        await ask(client)
    request = script.requests[-1]
    assert request.messages[0].role == llm_pb2.ROLE_SYSTEM
    assert request.messages[0].content[0].text == "Be kind."
    assert [tool.name for tool in request.tools] == ["weather"]
    assert request.tool_choice.tool == "weather"
    assert request.sampling.max_tokens == 77
    assert request.sampling.temperature == 0.25


async def test_a_session_that_is_changed_is_held_otherwise_from_then_on(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.update(instructions="Be kind.", tools=[TOOL])
    await ask(client)
    await client.update(instructions="", tools=[], output_modalities=["text"])
    done = await ask(client)
    assert done["output_modalities"] == ["text"]
    request = script.requests[-1]
    assert not request.tools
    assert request.messages[0].role == llm_pb2.ROLE_USER


async def test_a_session_that_cannot_be_changes_nothing(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.send(
        "session.update",
        session={"instructions": "Be kind.", "audio": {"output": {"voice": "bob"}}},
        event_id="mine",
    )
    error = await client.error()
    assert error["event_id"] == "mine"
    assert error["param"] == "session.audio.output.voice"
    assert "scripted" in error["message"]
    await ask(client)
    assert script.requests[-1].messages[0].content[0].text != "Be kind."


async def test_a_voice_speaks_as_fast_as_asked(
    gateway: RunningRealtime, script: Script
) -> None:
    script.any_speed = True
    script.write = lambda _request: ["Hi."]
    audio = {"output": {"voice": "scripted", "speed": 1.5}}
    async with connected(gateway, audio=audio) as client:
        await ask(client)
    assert script.voiced[-1].speed == 1.5
    assert script.voiced[-1].voice == "scripted"


async def test_what_is_said_into_an_answer_that_goes_on_is_heard(
    gateway: RunningRealtime, script: Script
) -> None:
    script.understand = said_in
    script.write = lambda _request: ["one two three four five six seven eight"]
    audio = detecting("server_vad", interrupt_response=False)
    async with connected(gateway, audio=audio) as client:
        await client.say(saying("tell me more") + silence(0.8))
        for _ in range(8):
            await client.until("response.output_audio.delta")
        await client.say(saying("that is a lot of numbers") + silence(0.8))
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        while len(client.all("input_audio_buffer.committed")) < 2:
            await client.until("input_audio_buffer.committed")
        kinds = Counter(event["type"] for event in client.got)
        assert kinds["input_audio_buffer.speech_started"] == 2


class Unsure(LoudnessVoice):
    """Takes what is loud for voice, but is not sure."""

    async def probabilities(self, state: VoiceState, windows: Floats) -> list[float]:
        return [0.6 * loud for loud in await super().probabilities(state, windows)]


async def test_speech_below_the_threshold_is_no_speech(script: Script) -> None:
    script.write = lambda _request: ["Hi."]
    async with (
        serving(script) as stages,
        running_realtime(stages, Unsure()) as gateway,
        connected(gateway, audio=detecting("server_vad", threshold=0.7)) as client,
    ):
        await client.say(speech(0.5) + silence(0.8))
        await client.update(audio=detecting("server_vad", threshold=0.5))
        await ask(client)
        started = client.one("input_audio_buffer.speech_started")
        assert started["audio_start_ms"] > 1_000


async def test_padding_is_transcribed_with_the_speech(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    for padding in (0, 1_000):
        audio = detecting("server_vad", prefix_padding_ms=padding)
        async with connected(gateway, audio=audio) as client:
            await client.say(silence(1.5))
            await ask(client)
    await script.idle.wait()
    without, padded = script.transcribed
    assert padded - without == pytest.approx(1.0, abs=0.1)


async def test_hints_are_refused_by_a_recognizer_that_takes_none(
    client: Client,
) -> None:
    transcription = {"model": "any", "prompt": "Antiphon"}
    session = {"audio": {"input": {"transcription": transcription}}}
    await client.send("session.update", session=session)
    error = await client.error()
    assert error["code"] == "not_supported"
    assert error["param"] == "session.audio.input.transcription.prompt"


async def test_semantic_vad_ends_a_turn_too(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    audio = detecting("semantic_vad", eagerness="high")
    async with connected(gateway, audio=audio) as client:
        await client.say(speech(0.5) + silence(1.2))
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
