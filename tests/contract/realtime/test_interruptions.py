"""Speech into an answer, and what is left of the answer."""

import asyncio

from tests.fakes.hearing import silence
from tests.fakes.running_realtime import Client, RunningRealtime, connected
from tests.fakes.saying import said_in, saying
from tests.fakes.stages import Script

LONG = "one two three four five six seven eight nine ten eleven twelve"
CHARACTER_MS = 60
"""That the scripted voice takes to say a character, at 16 kHz."""


async def asked_and_answering(client: Client, script: Script) -> None:
    """Some of a long answer has been heard: more has come than is sent ahead."""
    script.understand = said_in
    script.write = lambda request: [LONG] if len(request.messages) == 2 else ["Yes."]
    await client.say(saying("tell me more") + silence(0.8))
    for _ in range(12):
        await client.until("response.output_audio.delta")


async def interrupt(client: Client) -> None:
    await client.say(saying("no, wait a moment, please") + silence(0.2))


def prompt(script: Script) -> list[str]:
    """What the model read last, after its instructions."""
    return [message.content[0].text for message in script.requests[-1].messages[1:]]


async def test_an_interrupted_answer_is_closed_before_the_user_is_said_to_speak(
    client: Client, script: Script
) -> None:
    await asked_and_answering(client, script)
    client.got.clear()
    await interrupt(client)
    await client.until("input_audio_buffer.speech_started")
    assert client.types("response.output_audio.delta") == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "input_audio_buffer.speech_started",
    ]
    response = client.one("response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"]["reason"] == "turn_detected"
    assert response["output"][0]["status"] == "incomplete"


async def test_the_model_reads_what_was_heard_of_an_interrupted_answer(
    client: Client, script: Script
) -> None:
    await asked_and_answering(client, script)
    await interrupt(client)
    await client.until("input_audio_buffer.speech_started")
    await client.say(silence(0.8))
    await client.until("response.done")
    asked, heard, then = prompt(script)
    assert (asked, then) == ("tell me more", "no, wait a moment, please")
    assert 0 < len(heard) < len(LONG) and LONG.startswith(heard)


async def test_a_client_that_truncates_says_what_the_model_reads(
    client: Client, script: Script
) -> None:
    await asked_and_answering(client, script)
    await interrupt(client)
    await client.until("input_audio_buffer.speech_started")
    item = client.one("response.done")["response"]["output"][0]["id"]
    end = 7 * CHARACTER_MS
    await client.send(
        "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=end
    )
    truncated = await client.until("conversation.item.truncated")
    assert (truncated["item_id"], truncated["audio_end_ms"]) == (item, end)
    await client.send("conversation.item.retrieve", item_id=item)
    kept = (await client.until("conversation.item.retrieved"))["item"]
    assert kept["content"][0]["transcript"] == LONG[:7]
    assert kept["status"] == "incomplete"
    await client.say(silence(0.8))
    await client.until("response.done")
    assert prompt(script)[1] == LONG[:7]


async def test_truncating_the_answer_under_way_stops_it(
    client: Client, script: Script
) -> None:
    await asked_and_answering(client, script)
    item = client.got[-1]["item_id"]
    await client.send(
        "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=120
    )
    response = (await client.until("response.done"))["response"]
    assert response["status_details"]["reason"] == "client_cancelled"
    await client.until("conversation.item.truncated")


async def test_no_more_can_be_kept_than_was_said(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.say(saying("hello") + silence(0.8))
    done = await client.until("response.done")
    item = done["response"]["output"][0]["id"]
    await client.send(
        "conversation.item.truncate",
        item_id=item,
        content_index=0,
        audio_end_ms=60_000,
        event_id="too long",
    )
    error = await client.error()
    assert error["event_id"] == "too long" and error["code"] == "invalid_value"
    assert error["param"] == "audio_end_ms"


async def test_an_answer_that_is_deleted_while_it_is_spoken_is_not_an_item_any_more(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.say(saying("hello") + silence(0.8))
    item = (await client.until("response.output_audio.delta"))["item_id"]
    await client.send("conversation.item.delete", item_id=item)
    await client.until("conversation.item.deleted")
    done = await client.until("response.done")
    assert done["response"]["output"][0]["id"] == item
    assert item not in client.order.items


async def test_a_cancelled_response_says_so_and_its_stages_are_cancelled(
    client: Client, script: Script
) -> None:
    script.behind_piece = asyncio.Future
    await asked_and_answering(client, script)
    response_id = client.one("response.created")["response"]["id"]
    await client.send("response.cancel", response_id=response_id)
    response = (await client.until("response.done"))["response"]
    assert response["id"] == response_id and response["status"] == "cancelled"
    assert response["status_details"]["reason"] == "client_cancelled"
    await script.idle.wait()
    cancelled = {script.cancelled.get_nowait() for _ in range(script.cancelled.qsize())}
    assert cancelled >= {"Generate", "Synthesize"}


async def test_what_is_not_active_cannot_be_cancelled(client: Client) -> None:
    await client.send("response.cancel", event_id="nothing")
    error = await client.error()
    assert error["code"] == "response_cancel_not_active"
    assert error["event_id"] == "nothing"


async def test_the_output_buffer_is_the_clients_own_over_a_websocket(
    client: Client,
) -> None:
    await client.send("output_audio_buffer.clear")
    assert (await client.error())["code"] == "not_supported"


async def test_ducking_is_told_to_those_who_ask_for_it(
    gateway: RunningRealtime, script: Script
) -> None:
    async with connected(gateway, antiphon={"ducking": True}) as client:
        await asked_and_answering(client, script)
        await client.say(saying("mm-hmm, mm-hmm"))
        ducked = await client.until("antiphon.response.ducked")
        assert ducked["ducked"] is True
        assert ducked["response_id"] == client.one("response.created")["response"]["id"]
