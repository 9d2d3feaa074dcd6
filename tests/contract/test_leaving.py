"""What clients are told by a gateway that goes away, when they have had their time."""

import asyncio

import aiohttp
import pytest

from antiphon.client import Address, connect
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.errors import Unavailable
from tests.fakes.caller import calling
from tests.fakes.doors import OpenDoors, doors
from tests.fakes.hearing import silence, speech
from tests.fakes.running_realtime import Client
from tests.fakes.stages import Script

CHAT = {"model": "default", "messages": [{"role": "user", "content": "Why?"}]}


def leave(here: OpenDoors) -> None:
    here.admission.drain()
    here.sessions.finish()


async def test_an_answer_over_http_is_waited_for(web: aiohttp.ClientSession) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        asked.set()
        await go_on.wait()

    async with doors(Script(before_writing=writing)) as here:
        async with asyncio.timeout(60):
            await here.doors.idle()
            asking = asyncio.create_task(
                web.post(f"{here.http}/v1/chat/completions", json=CHAT)
            )
            await asked.wait()
            leave(here)
            idle = asyncio.create_task(here.doors.idle())
            await asyncio.sleep(0)
            assert not idle.done()
            go_on.set()
            async with await asking as answer:
                assert answer.status == 200
                assert (await answer.json())["choices"][0]["finish_reason"] == "stop"
            await idle


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/"])
async def test_who_comes_again_is_sent_to_another_gateway(
    web: aiohttp.ClientSession, path: str
) -> None:
    async with doors() as here:
        async with web.get(here.http + path) as before:
            assert "Connection" not in before.headers
        here.admission.drain()
        async with web.get(here.http + path) as got:
            assert got.headers["Connection"] == "close"
            assert got.status == 200


async def test_a_connection_that_is_kept_ends_with_the_answer() -> None:
    async with doors() as here, asyncio.timeout(60):
        here.admission.drain()
        host, port = here.http.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()


@pytest.mark.parametrize("speaking", [True, False])
async def test_over_grpc_it_ends_well_and_says_why(speaking: bool) -> None:
    async with (
        doors() as here,
        connect(Address(here.grpc)) as client,
        client.converse(pb.ConversationConfig()) as conversation,
        asyncio.timeout(60),
    ):
        if speaking:
            await conversation.send_audio(speech(0.5))
            assert isinstance(await anext(conversation), pb.SpeechStarted)
        leave(here)
        if speaking:
            await conversation.send_audio(silence(0.8))
        *events, ended = [event async for event in conversation]
        turns = [event for event in events if isinstance(event, pb.TurnEnded)]
        assert [turn.outcome for turn in turns] == [pb.TURN_OUTCOME_ANSWERED] * speaking
        assert isinstance(ended, pb.ConversationEnded)
        assert ended.ending == pb.CONVERSATION_ENDING_DRAINING


@pytest.mark.parametrize("speaking", [True, False])
async def test_over_a_websocket_it_ends_with_the_reason(
    web: aiohttp.ClientSession, speaking: bool
) -> None:
    async with (
        doors() as here,
        web.ws_connect(f"{here.http}/v1/realtime") as socket,
        asyncio.timeout(60),
    ):
        client = Client(socket)
        await client.until("session.created")
        if speaking:
            await client.say(speech(0.5))
            await client.until("input_audio_buffer.speech_started")
        leave(here)
        if speaking:
            await client.say(silence(0.8))
        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        assert client.got[-1]["error"]["code"] == "service_unavailable"
        done = client.all("response.done")
        assert [each["response"]["status"] for each in done] == ["completed"] * speaking


async def test_what_is_answered_beside_a_conversation_is_heard_out(
    web: aiohttp.ClientSession,
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        asked.set()
        await go_on.wait()

    async with (
        doors(Script(before_writing=writing)) as here,
        web.ws_connect(f"{here.http}/v1/realtime") as socket,
        asyncio.timeout(60),
    ):
        client = Client(socket)
        await client.until("session.created")
        content = [{"type": "input_text", "text": "Why?"}]
        question = {"type": "message", "role": "user", "content": content}
        aside = {"conversation": "none", "input": [question]}
        await client.send("response.create", response=aside)
        await asked.wait()
        leave(here)
        assert here.admission.open == 1
        go_on.set()
        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        (done,) = client.all("response.done")
        assert done["response"]["status"] == "completed"
        assert client.got[-1]["error"]["code"] == "service_unavailable"


async def test_over_webrtc_who_is_speaking_is_answered() -> None:
    async with (
        doors() as here,
        calling(here.http) as caller,
        asyncio.timeout(60),
    ):
        caller.microphone.say(speech(1.0))
        await caller.until("input_audio_buffer.speech_started")
        leave(here)
        done = await caller.until("response.done")
        assert done["response"]["status"] == "completed"
        assert (await caller.until("error"))["error"]["code"] == "service_unavailable"
        await caller.closed()
        await here.admission.idle()


async def test_who_is_cut_off_over_grpc_is_told_to_try_another() -> None:
    async with (
        doors(Script(write=lambda _request: ["x" * 500])) as here,
        connect(Address(here.grpc)) as client,
        client.converse(pb.ConversationConfig()) as conversation,
    ):
        with pytest.raises(Unavailable, match="try another"):
            async with asyncio.timeout(60):
                await conversation.send_text("Why?")
                async for event in conversation:
                    if isinstance(event, pb.ReplyAudio):
                        leave(here)
                        here.sessions.cut_off()


async def test_who_is_cut_off_over_a_websocket_is_told_to_try_another(
    web: aiohttp.ClientSession,
) -> None:
    async with (
        doors(Script(write=lambda _request: ["x" * 500])) as here,
        web.ws_connect(f"{here.http}/v1/realtime") as socket,
        asyncio.timeout(60),
    ):
        client = Client(socket)
        await client.say(speech(0.5) + silence(0.8))
        await client.until("response.output_audio.delta")
        leave(here)
        here.sessions.cut_off()
        assert await client.closed() == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        assert client.got[-1]["error"]["code"] == "unavailable"


async def test_who_is_cut_off_over_webrtc_is_told_to_try_another() -> None:
    async with (
        doors() as here,
        calling(here.http) as caller,
        asyncio.timeout(60),
    ):
        await caller.update(output_modalities=["text"])
        caller.microphone.say(speech(30.0))
        await caller.until("input_audio_buffer.speech_started")
        leave(here)
        here.sessions.cut_off()
        assert (await caller.until("error"))["error"]["code"] == "unavailable"
        await caller.closed()
        await here.admission.idle()
