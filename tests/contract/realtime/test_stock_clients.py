"""What the plug-ins of LiveKit and Pipecat send unasked, and what they go by."""

import pytest

from tests.fakes.hearing import speech
from tests.fakes.running_realtime import Client, RunningRealtime, connected
from tests.fakes.stages import Script
from tests.fakes.stock_sessions import STOCK


@pytest.mark.parametrize("name", STOCK)
async def test_a_clients_own_session_is_taken(
    gateway: RunningRealtime, name: str
) -> None:
    async with connected(gateway) as client:
        told = await client.update(**STOCK[name])
    heard, asked = told["audio"]["input"], STOCK[name]["audio"]["input"]
    assert heard["turn_detection"]["type"] == asked["turn_detection"]["type"]
    assert heard["transcription"] is not None


async def test_a_conversation_can_be_opened_by_the_assistant(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hello!"]
    await client.send("response.create", response={"output_modalities": ["audio"]})
    response = (await client.until("response.done"))["response"]
    assert response["output"][0]["content"][0]["transcript"] == "Hello!"


async def test_a_response_may_be_asked_for_right_behind_the_commit(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda request: [request.messages[-1].content[0].text]
    async with connected(gateway, audio={"input": {"turn_detection": None}}) as client:
        await client.say(speech(0.5))
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        response = (await client.until("response.done"))["response"]
        assert response["output"][0]["content"][0]["transcript"] == "question 1"
        assert len(client.all("response.created")) == 1


async def test_a_cancel_that_comes_late_is_told_in_openais_words(
    client: Client,
) -> None:
    await client.send("response.cancel")
    assert (await client.error())["message"] == (
        "Cancellation failed: no active response found"
    )
    await client.send("response.cancel", response_id="resp_gone")
    message = (await client.error())["message"]
    assert message.startswith("Cancellation failed: ") and "resp_gone" in message


async def test_a_second_response_is_refused_in_openais_words(client: Client) -> None:
    await client.write("hello")
    await client.send("response.create")
    await client.until("response.created")
    await client.send("response.create")
    message = (await client.error())["message"]
    assert message.startswith(
        "Conversation already has an active response in progress: "
    )


@pytest.mark.parametrize("detection", [None, {"type": "server_vad"}])
async def test_an_empty_commit_is_refused_in_openais_words(
    gateway: RunningRealtime, detection: dict[str, str] | None
) -> None:
    async with connected(
        gateway, audio={"input": {"turn_detection": detection}}
    ) as client:
        await client.send("input_audio_buffer.commit")
        message = (await client.error())["message"]
    assert message.startswith("Error committing input audio buffer: ")


async def test_a_truncation_beyond_the_end_is_told_in_milliseconds(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.write("hello")
    await client.send("response.create")
    done = (await client.until("response.done"))["response"]
    await client.send(
        "conversation.item.truncate",
        item_id=done["output"][0]["id"],
        content_index=0,
        audio_end_ms=9_000,
    )
    error = await client.error()
    assert (error["code"], error["param"]) == ("invalid_value", "audio_end_ms")
    assert "Audio content of 180ms is already shorter than 9000ms" in error["message"]
