"""The official OpenAI SDK changes one URL and talks to real processes."""

from typing import Any

import pytest

from tests.e2e.house import House
from tests.e2e.realtime import Caller, calling
from tests.e2e.talking import word_error_rate, words_of
from tests.fakes.upstream import Answer, calls, says
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAPITAL, BEES, CAT = QUESTIONS[2], QUESTIONS[5], QUESTIONS[7]
LONG = "Cats do, and I could go on about them for quite a while. " * 3

SECONDS_OF_CATS = 3
"""That are listened to: more than the first sentence, less than all of them."""

CLOCK = {
    "type": "function",
    "name": "get_time",
    "description": "Tells the time in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def clerk(body: dict[str, Any]) -> Answer:
    """By what was said last."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return says(f"It is {last['content']} there.")
    text = last["content"].lower()
    if "capital" in text:
        return calls("get_time", '{"city": "Paris"}')
    return says(LONG) if "animal" in text else says("They make honey.")


async def answer(caller: Caller) -> Any:
    done = await caller.until("response.done")
    return done.response


async def test_three_spoken_turns_a_tool_call_and_an_interruption(house: House) -> None:
    house.upstream.answer_to = clerk
    http = house.stack.url("gateway", "http_port", "")
    session = {
        "instructions": "Be short.",
        "tools": [CLOCK],
        "audio": {
            "input": {
                "transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
            }
        },
    }
    async with calling(http, session, model="gpt-realtime") as caller:
        caller.say(recording(BEES))
        first = await answer(caller)
        assert first.status == "completed"
        assert first.output[0].content[0].transcript == "They make honey."
        assert caller.audio()

        caller.say(recording(CAPITAL))
        called = await caller.until("response.function_call_arguments.done")
        assert called.arguments == '{"city": "Paris"}'
        assert (await answer(caller)).status == "completed"
        await caller.connection.conversation.item.create(
            item={
                "type": "function_call_output",
                "call_id": called.call_id,
                "output": "nine o'clock",
            }
        )
        await caller.connection.response.create()
        told = await answer(caller)
        assert told.output[0].content[0].transcript == "It is nine o'clock there."

        caller.say(recording(CAT))
        heard = len(caller.audio())
        while len(caller.audio()) < heard + SECONDS_OF_CATS * 48_000:
            await caller.until("response.output_audio.delta")
        caller.say(recording(BEES))
        cut = await answer(caller)
        assert cut.status == "cancelled"
        assert cut.status_details.reason == "turn_detected"
        assert (await answer(caller)).status == "completed"

    said = [
        event.transcript
        for event in caller.of("conversation.item.input_audio_transcription.completed")
    ]
    expected = [words_of(path) for path in (BEES, CAPITAL, CAT, BEES)]
    assert word_error_rate(expected, said) < 0.2, said
    assert not caller.of("error")
    messages = house.upstream.exchanges[-1].body["messages"]
    interrupted = [m["content"] for m in messages if m["role"] == "assistant"][-1]
    assert LONG.startswith(interrupted) and interrupted != LONG
