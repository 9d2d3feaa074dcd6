"""What a client is told of a turn, event by event."""

import json

import pytest

from antiphon.v1 import llm_pb2
from services.runtime.errors import EngineError
from tests.fakes.hearing import silence, speech
from tests.fakes.running_realtime import Client, RunningRealtime, connected
from tests.fakes.stages import Script

HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
TRANSCRIBED = [
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
]
BEGUN = [
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
SAID = [
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
]
ENDED = [
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
CALLED = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "conversation.item.done",
]

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Of a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


async def ask(client: Client) -> None:
    await client.say(speech(0.5) + silence(0.8))


async def test_a_spoken_turn_is_told_in_the_documented_order(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hello."]
    async with connected(
        gateway, audio={"input": {"transcription": {"model": "whisper-1"}}}
    ) as client:
        await ask(client)
        done = await client.until("response.done")
        assert client.types() == [*HEARD, *TRANSCRIBED, *BEGUN, *SAID, *ENDED]
        started = client.one("input_audio_buffer.speech_started")
        committed = client.one("input_audio_buffer.committed")
        assert started["item_id"] == committed["item_id"]
        assert committed["previous_item_id"] is None
        user, reply = (event["item"] for event in client.all("conversation.item.added"))
        assert user["content"] == [{"type": "input_audio", "transcript": None}]
        assert reply["status"] == "in_progress" and reply["content"] == []
        told = client.one("conversation.item.input_audio_transcription.completed")
        assert told["transcript"] == "question 1" and told["item_id"] == user["id"]
        assert told["usage"]["type"] == "duration" and told["usage"]["seconds"] > 0.4
        response = done["response"]
        assert response["status"] == "completed"
        assert response["output"] == [
            {
                "id": reply["id"],
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_audio", "transcript": "Hello."}],
            }
        ]
        assert response["usage"]["input_tokens"] == 7
        assert response["usage"]["output_tokens"] == 3
        assert response["usage"]["total_tokens"] == 10
        assert script.requests[-1].messages[-1].content[0].text == "question 1"


async def test_items_stand_one_behind_the_other(client: Client, script: Script) -> None:
    script.write = lambda _request: ["Hi."]
    for _ in range(2):
        await ask(client)
        await client.until("response.done")
    added = client.all("conversation.item.added")
    ids = [event["item"]["id"] for event in added]
    assert [event["previous_item_id"] for event in added] == [None, *ids[:-1]]
    assert len(set(ids)) == 4


async def test_a_pause_within_an_utterance_is_told_to_nobody(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.say(speech(0.4) + silence(0.3))
    await client.say(speech(0.4) + silence(0.8))
    await client.until("response.done")
    assert client.types()[:5] == HEARD
    stopped = client.one("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] >= 1000


async def test_who_asks_for_no_transcription_gets_none(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await ask(client)
    await client.until("response.done")
    assert not [event for event in client.got if "transcription" in event["type"]]


async def test_speech_that_nobody_could_transcribe_is_told_and_the_next_is_answered(
    gateway: RunningRealtime, script: Script
) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    script.before_hearing = fail
    script.write = lambda _request: ["Hi."]
    audio = {"input": {"transcription": {"model": "any"}}}
    async with connected(gateway, audio=audio) as client:
        await ask(client)
        failed = await client.until(
            "conversation.item.input_audio_transcription.failed"
        )
        committed = client.one("input_audio_buffer.committed")
        assert failed["item_id"] == committed["item_id"]
        assert failed["error"]["code"] == "stt_failed"
        script.before_hearing = lambda: None
        await ask(client)
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"


async def test_who_reads_no_transcripts_is_told_of_such_speech_by_an_error(
    client: Client, script: Script
) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    script.before_hearing = fail
    await ask(client)
    error = await client.error()
    assert (error["type"], error["code"]) == ("server_error", "stt_failed")


async def test_deltas_of_a_transcript_come_while_the_user_speaks_and_add_up_to_it(
    gateway: RunningRealtime, script: Script
) -> None:
    script.certain = True
    script.write = lambda _request: ["Hi."]
    async with connected(
        gateway, audio={"input": {"transcription": {"model": "any"}}}
    ) as client:
        await client.say(speech(0.8))
        await client.until("conversation.item.input_audio_transcription.delta")
        assert "input_audio_buffer.committed" not in client.types()
        await client.say(silence(0.8))
        done = await client.until(
            "conversation.item.input_audio_transcription.completed"
        )
        deltas = client.all("conversation.item.input_audio_transcription.delta")
        assert "".join(event["delta"] for event in deltas) == done["transcript"]


async def test_partial_transcripts_are_told_to_those_who_ask_for_them(
    gateway: RunningRealtime,
) -> None:
    audio = {"input": {"transcription": {"model": "any"}}}
    async with connected(gateway, antiphon={"partials": True}, audio=audio) as client:
        await client.say(speech(0.8))
        partial = await client.until("antiphon.input.partial")
        started = client.one("input_audio_buffer.speech_started")
        assert partial["item_id"] == started["item_id"]
        assert "question 1".startswith(partial["text"])


async def test_an_answer_in_text_has_no_sound(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hello, ", "you."]
    async with connected(gateway, output_modalities=["text"]) as client:
        await ask(client)
        done = await client.until("response.done")
        assert client.types() == [
            *HEARD,
            *BEGUN,
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            *ENDED,
        ]
        content = done["response"]["output"][0]["content"]
        assert content == [{"type": "output_text", "text": "Hello, you."}]
        assert done["response"]["output_modalities"] == ["text"]
        assert not script.voiced


async def test_a_call_of_a_function_reaches_the_client_and_its_result_is_spoken_when_asked_for(
    gateway: RunningRealtime, script: Script
) -> None:
    call = llm_pb2.ToolCall(
        id="call_1", name="weather", arguments_json='{"place": "Kiel"}'
    )
    script.write = lambda request: (
        ["Rain."] if request.messages[-1].tool_call_id else [call]
    )
    async with connected(gateway, tools=[WEATHER]) as client:
        await ask(client)
        done = await client.until("response.done")
        assert client.types() == [*HEARD, *BEGUN[:2], *CALLED, "response.done"]
        (item,) = done["response"]["output"]
        assert (item["type"], item["name"], item["call_id"]) == (
            "function_call",
            "weather",
            "call_1",
        )
        assert json.loads(item["arguments"]) == {"place": "Kiel"}
        client.got.clear()
        result = {"type": "function_call_output", "call_id": "call_1", "output": "wet"}
        await client.send("conversation.item.create", item=result)
        added = await client.until("conversation.item.done")
        assert added["previous_item_id"] == item["id"]
        await client.send("response.create")
        done = await client.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Rain."
        assert script.requests[-1].messages[-1].content[0].text == "wet"
        assert len(script.requests) == 2


async def test_push_to_talk_is_told_without_guesses_about_speech(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    async with connected(gateway, audio={"input": {"turn_detection": None}}) as client:
        await client.say(speech(0.6))
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.done")
        await client.send("response.create")
        await client.until("response.done")
        assert client.types()[:3] == HEARD[2:]
        assert not [event for event in client.got if "speech" in event["type"]]
        assert len(script.requests) == 1


@pytest.mark.parametrize("detection", [None, {"type": "server_vad"}])
async def test_an_empty_buffer_cannot_be_committed(
    gateway: RunningRealtime, detection: object
) -> None:
    audio = {"input": {"turn_detection": detection}}
    async with connected(gateway, audio=audio) as client:
        await client.send("input_audio_buffer.commit", event_id="too soon")
        error = await client.error()
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert error["event_id"] == "too soon"


async def test_what_was_cleared_is_not_committed(gateway: RunningRealtime) -> None:
    async with connected(gateway, audio={"input": {"turn_detection": None}}) as client:
        await client.say(speech(0.6))
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.send("input_audio_buffer.commit")
        assert (await client.error())["code"] == "input_audio_buffer_commit_empty"


async def test_a_commit_ends_the_turn_of_who_is_just_speaking(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.say(speech(0.6))
    await client.until("input_audio_buffer.speech_started")
    await client.send("input_audio_buffer.commit")
    await client.until("response.done")
    assert client.types()[:5] == HEARD


async def test_who_answers_for_themselves_is_only_told_what_was_said(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    detection = {"type": "server_vad", "create_response": False}
    audio = {"input": {"turn_detection": detection, "transcription": {"model": "any"}}}
    async with connected(gateway, audio=audio) as client:
        await ask(client)
        await client.until("conversation.item.input_audio_transcription.completed")
        assert client.types() == [*HEARD, *TRANSCRIBED]
        await client.send("response.create")
        await client.until("response.done")
        assert len(script.requests) == 1


async def test_a_user_who_is_silent_is_prompted(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi?"]
    detection = {"type": "server_vad", "idle_timeout_ms": 1000}
    async with connected(
        gateway, audio={"input": {"turn_detection": detection}}
    ) as client:
        await ask(client)
        await client.until("response.done")
        client.got.clear()
        triggered = await client.until("input_audio_buffer.timeout_triggered")
        assert triggered["audio_end_ms"] >= triggered["audio_start_ms"]
        await client.until("response.done")
        assert client.types()[:5] == [
            "input_audio_buffer.timeout_triggered",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        silence_item, reply = client.all("conversation.item.added")
        assert silence_item["item"]["id"] == triggered["item_id"]
        assert silence_item["previous_item_id"] is not None
        assert reply["previous_item_id"] == triggered["item_id"]


async def test_a_waterfall_is_told_to_those_who_ask_for_it(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    async with connected(gateway, antiphon={"waterfall": True}) as client:
        await ask(client)
        waterfall = await client.until("antiphon.turn.waterfall")
        response = client.one("response.done")["response"]
        assert waterfall["response_id"] == response["id"]
        assert waterfall["outcome"] == "answered" and waterfall["heard_text"] == "Hi."
        shares = ("endpointing", "stt", "llm", "tts", "gateway")
        total = sum(waterfall[f"{share}_ms"] for share in shares)
        assert abs(total - waterfall["saved_ms"] - waterfall["total_ms"]) <= 5
        assert set(waterfall["budgets_ms"]) >= {"total", *shares}
