"""The way in which Reachy Mini's conversation app talks: 16 kHz both ways, no key, no model, pictures and tools."""

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from antiphon.v1 import llm_pb2
from tests.e2e.process import lone_process
from tests.e2e.realtime import Caller, calling
from tests.fakes.stages import Script, serving
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
PCM = {"type": "audio/pcm", "rate": None}
SESSION = {
    "instructions": "You are a small robot.",
    "audio": {
        "input": {
            "format": PCM,
            "transcription": {"model": "parakeet", "language": "en"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.6,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
                "interrupt_response": True,
            },
        },
        "output": {"format": PCM, "voice": "cedar"},
    },
    "tools": [
        {
            "type": "function",
            "name": "camera",
            "description": "Takes a picture of what is in front of you",
            "parameters": {"type": "object", "properties": {}},
        }
    ],
    "tool_choice": "auto",
}


def robot(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
    last = request.messages[-1]
    if any(part.HasField("image") for part in last.content):
        return ["I see a very small picture."]
    return [llm_pb2.ToolCall(id="call_1", name="camera", arguments_json="{}")]


@pytest_asyncio.fixture(loop_scope="session")
async def script() -> Script:
    return Script(
        hear=lambda _conversation, _turn: "What do you see?", write=robot, images=True
    )


@pytest_asyncio.fixture(loop_scope="session")
async def robots_gateway(script: Script) -> AsyncIterator[str]:
    async with serving(script) as stages:
        environment = {
            f"ANTIPHON_GATEWAY_{name}": stages for name in ("STT", "LLM", "TTS")
        }
        environment["ANTIPHON_GATEWAY_REALTIME_RATE"] = "16000"
        async with lone_process("gateway", environment) as gateway:
            yield gateway.http


async def look(caller: Caller) -> str:
    """Ask, and let the robot take a picture; returns the id of the call."""
    caller.say(recording(QUESTIONS[5]))
    called = await caller.until("response.function_call_arguments.done")
    await caller.until("response.done")
    return str(called.call_id)


async def show(caller: Caller, call_id: str) -> None:
    """Give back what the camera saw, in the items that the app makes of it."""
    url = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    items = caller.connection.conversation.item
    await items.create(
        item={
            "type": "function_call_output",
            "call_id": call_id,
            "output": '{"status": "image captured"}',
        }
    )
    await items.create(
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": url}],
        }
    )


async def test_a_robot_hears_looks_and_tells(
    robots_gateway: str, script: Script
) -> None:
    async with calling(robots_gateway, SESSION, rate=16_000) as robot:
        call_id = await look(robot)
        await show(robot, call_id)
        await robot.connection.response.create()
        done = await robot.until("response.done")
    assert (
        done.response.output[0].content[0].transcript == "I see a very small picture."
    )
    (voiced,) = script.voiced
    assert voiced.format.sample_rate == 16_000
    seen = [
        part.image.data
        for part in script.requests[-1].messages[-1].content
        if part.HasField("image")
    ]
    assert seen == [PICTURE]
    (heard,) = script.transcribed
    # At another rate it would have heard for half as long again, or for two thirds of it.
    assert heard == pytest.approx(
        len(recording(QUESTIONS[5]).samples) / 32_000, abs=0.6
    )


async def test_a_second_answer_is_refused_by_the_code_that_the_app_retries_on(
    robots_gateway: str,
) -> None:
    async with calling(robots_gateway, SESSION, rate=16_000) as robot:
        await show(robot, await look(robot))
        await robot.connection.response.create()
        await robot.until("response.output_audio.delta")
        await robot.connection.response.create(event_id="again")
        refused = await robot.until("error")
        await robot.until("response.done")
    assert refused.error.code == "conversation_already_has_active_response"
    assert refused.error.event_id == "again"
