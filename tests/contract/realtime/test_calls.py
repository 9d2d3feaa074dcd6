"""Realtime calls over WebRTC, with a client that is nobody's but aiortc's."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest

from gateway.fronts.realtime import peer as peers
from services.runtime.keys import hashed
from tests.fakes.caller import Caller, calling
from tests.fakes.doors import OpenDoors, doors
from tests.fakes.hearing import speech
from tests.fakes.stages import Script, tone
from tests.fakes.turn_traces import counted

LONG = "x" * 200
"""An answer of eight seconds."""

LOUD = 1000.0
"""Of a frame: the voice's tone has five times as much, and silence next to nothing."""


@pytest.fixture
def script() -> Script:
    return Script(
        hear=lambda _conversation, turn: f"question {turn}",
        sound=tone,
        context_tokens=100_000,
    )


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[OpenDoors]:
    async with doors(script) as gateway:
        yield gateway


@pytest.fixture
async def caller(gateway: OpenDoors) -> AsyncIterator[Caller]:
    async with calling(gateway.http) as caller:
        yield caller


async def released(gateway: OpenDoors) -> None:
    """Wait until no conversation is left, and no call to a stage."""
    await gateway.admission.idle()
    await gateway.script.idle.wait()


def left_over() -> list[object]:
    """Tasks and threads of calls."""
    files = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    rooms = ("/aiortc/", "/aioice/", "/gateway/fronts/realtime/", "/gateway/session")
    tasks = [file for file in files if any(room in str(file) for room in rooms)]
    threads = [t.name for t in threading.enumerate() if t.name.endswith("-decoder")]
    return [*tasks, *threads]


async def test_a_spoken_turn_is_heard_answered_and_played(caller: Caller) -> None:
    await caller.update(audio={"input": {"transcription": {"model": "any"}}})
    caller.got.clear()
    caller.microphone.say(speech(0.6))
    await caller.until("output_audio_buffer.stopped")
    assert caller.types() == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "output_audio_buffer.started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "output_audio_buffer.stopped",
    ]
    said = "You said: question 1."
    assert caller.one("response.output_audio_transcript.done")["transcript"] == said
    # 40 ms a character, all of which were played.
    loud = sum(frame > LOUD for frame in caller.heard)
    assert loud == pytest.approx(2 * len(said), abs=4)


async def test_a_microphone_that_is_switched_off_does_not_keep_its_turn(
    caller: Caller,
) -> None:
    caller.microphone.say(speech(0.6))
    await caller.until("input_audio_buffer.speech_started")
    caller.switch_off()
    await caller.until("input_audio_buffer.speech_stopped")
    await caller.until("response.done")


async def test_speech_into_an_answer_silences_it_and_the_history_keeps_what_was_heard(
    gateway: OpenDoors, script: Script, caller: Caller
) -> None:
    script.write = lambda _request: [LONG]
    caller.microphone.say(speech(0.6))
    await caller.until("output_audio_buffer.started")
    response = caller.one("output_audio_buffer.started")["response_id"]
    caller.microphone.say(speech(1.5))
    cleared = await caller.until("output_audio_buffer.cleared")
    assert cleared["response_id"] == response
    script.write = lambda _request: ["fine"]
    done = await caller.until("response.done")
    assert done["response"]["status_details"]["reason"] == "turn_detected"
    await caller.until("conversation.item.truncated")
    await caller.until("output_audio_buffer.stopped")
    heard = script.requests[-1].messages[-2].content[0].text
    assert 0 < len(heard) < len(LONG) / 2
    # Of eight seconds about two were played, and the two characters' worth of the second answer.
    assert 0 < sum(frame > LOUD for frame in caller.heard) < 200


async def test_the_client_can_have_the_track_cleared(
    script: Script, caller: Caller
) -> None:
    script.write = lambda _request: [LONG]
    caller.microphone.say(speech(0.6))
    await caller.until("output_audio_buffer.started")
    caller.send("output_audio_buffer.clear")
    await caller.until("output_audio_buffer.cleared")
    done = await caller.until("response.done")
    assert done["response"]["status"] == "cancelled"
    caller.heard.clear()
    while len(caller.heard) < 40:
        await caller.next_frame()
    assert max(caller.heard[-20:]) < 10


async def test_to_clear_the_track_before_there_is_an_answer_forgets_nothing(
    script: Script, caller: Caller
) -> None:
    cleared = asyncio.Event()
    script.before_hearing = cleared.wait
    caller.microphone.say(speech(0.6))
    await caller.until("input_audio_buffer.committed")
    caller.send("output_audio_buffer.clear")
    await caller.update(instructions="Be kind.")
    cleared.set()
    done = await caller.until("response.done")
    assert done["response"]["status"] == "completed"
    assert "conversation.item.deleted" not in caller.types()


async def test_two_calls_at_once_do_not_mix(gateway: OpenDoors, script: Script) -> None:
    script.hear = lambda conversation, _turn: conversation
    async with calling(gateway.http) as one, calling(gateway.http) as other:
        for caller in (one, other):
            await caller.update(audio={"input": {"transcription": {"model": "any"}}})
            caller.microphone.say(speech(0.6))
        for caller in (one, other):
            await caller.until("output_audio_buffer.stopped")
        heard = [
            caller.one("conversation.item.input_audio_transcription.completed")
            for caller in (one, other)
        ]
        assert heard[0]["transcript"] != heard[1]["transcript"]
        for caller, said in zip((one, other), heard, strict=True):
            answer = caller.one("response.output_audio_transcript.done")["transcript"]
            assert answer == f"You said: {said['transcript']}."
            assert caller.types().count("response.created") == 1
    await released(gateway)


# --- how a call ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["DELETE", "hangup", "channel", "connection"])
async def test_a_call_that_ends_in_the_middle_of_an_answer_leaves_nothing(
    gateway: OpenDoors, script: Script, way: str
) -> None:
    script.write = lambda _request: ["This is only the beginning. ", LONG]
    script.behind_piece = lambda: asyncio.Event().wait()
    sockets = len(psutil.Process().net_connections("udp"))
    ended = counted("antiphon_conversations_total", ending="client")
    async with calling(gateway.http) as caller:
        caller.microphone.say(speech(0.6))
        await caller.until("output_audio_buffer.started")
        location = caller.url.removesuffix("/v1/realtime/calls") + caller.location
        match way:
            case "DELETE":
                async with caller.http.delete(location) as response:
                    assert response.status == 204
                await caller.closed()
            case "hangup":
                async with caller.http.post(f"{location}/hangup") as response:
                    assert response.status == 200
                await caller.closed()
            case "channel":
                caller.channel.close()
            case "connection":
                await caller.connection.close()
        await released(gateway)
        async with caller.http.delete(location) as response:
            assert response.status == 404
            assert (await response.json())["error"]["code"] == "call_not_found"
    cancelled: set[str] = set()
    while not {"Generate", "Synthesize"} <= cancelled:
        cancelled.add(await script.cancelled.get())
    assert len(psutil.Process().net_connections("udp")) == sockets
    assert not left_over()
    assert counted("antiphon_conversations_total", ending="client") == ended + 1


async def test_a_gateway_that_closes_says_so(gateway: OpenDoors) -> None:
    async with calling(gateway.http) as caller:
        gateway.sessions.finish()
        assert (await caller.until("error"))["error"]["code"] == "service_unavailable"
        await caller.closed()
        await released(gateway)


async def test_a_client_that_never_connects_is_not_waited_for(
    gateway: OpenDoors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "CONNECT_SECONDS", 0.1)
    async with calling(gateway.http, dial=False) as caller:
        await caller.offer()
        assert gateway.admission.open == 1
        await released(gateway)


async def test_a_call_can_be_hung_up_before_it_has_come_about(
    gateway: OpenDoors,
) -> None:
    async with calling(gateway.http, dial=False) as caller:
        await caller.offer()
        async with caller.http.delete(gateway.http + caller.location) as response:
            assert response.status == 204
        assert gateway.admission.open == 0


async def test_who_floods_the_channel_is_told_and_let_go(gateway: OpenDoors) -> None:
    async with calling(gateway.http) as caller:
        for _ in range(1500):
            caller.send("input_audio_buffer.clear")
        assert (await caller.until("error"))["error"]["code"] == "rate_limit_exceeded"
        await caller.closed()
        await released(gateway)


async def test_a_message_without_an_end_is_not_kept(gateway: OpenDoors) -> None:
    async with calling(gateway.http) as caller:
        assert caller.connection.sctp is not None
        # A client that heeds neither the largest message nor the room that it is told of.
        caller.connection.sctp._remote_max_message_size = 0
        caller.channel.send("x" * 4 * 1024 * 1024)
        assert (await caller.until("error"))["error"]["code"] == "request_too_large"
        await caller.closed()
        await released(gateway)


async def test_an_event_that_is_too_large_for_the_channel_is_named(
    caller: Caller,
) -> None:
    tool = {"type": "function", "name": "look", "description": "é" * 20_000}
    session = {"type": "realtime", "tools": [tool], "instructions": "é" * 30_000}
    update = {"type": "session.update", "session": session}
    caller.channel.send(json.dumps(update, ensure_ascii=False))
    error = (await caller.until("error"))["error"]
    assert error["code"] == "event_too_large", error
    assert "session.updated" in error["message"]
    await caller.update(instructions="Go on.", tools=[])


# --- who may call, and how --------------------------------------------------------------------------------


async def test_a_session_comes_with_the_offer(gateway: OpenDoors) -> None:
    async with calling(gateway.http, dial=False) as caller:
        form = aiohttp.FormData()
        form.add_field("sdp", await caller.offer_text(), content_type="application/sdp")
        session = {"type": "realtime", "instructions": "Be brief.", "model": "gpt-x"}
        form.add_field("session", json.dumps(session), content_type="application/json")
        await caller.dial(data=form)
        created = (await caller.until("session.created"))["session"]
        assert created["instructions"] == "Be brief."


@pytest.mark.parametrize(
    ("request_", "param", "says"),
    [
        ({"data": "hello"}, "sdp", "no session description"),
        ({"data": "v=0\r\nm=audio x"}, "sdp", "cannot be read"),
        ({"data": b"\xff\xfe"}, "sdp", "UTF-8"),
        ({"data": "v=0\r\n" + "a=x\r\n" * 20_000}, "sdp", "at most"),
        ({"json": {"sdp": "v=0"}}, "Content-Type", "multipart/form-data"),
        ({"data": {"session": "{}", "x": "file"}}, "x", "is not known"),
    ],
)
async def test_a_bad_offer_is_refused_and_leaves_nothing(
    gateway: OpenDoors, request_: dict[str, object], param: str, says: str
) -> None:
    async with aiohttp.ClientSession() as http:
        plain = isinstance(request_.get("data"), str | bytes)
        headers = {"Content-Type": "application/sdp"} if plain else {}
        if isinstance(form := request_.get("data"), dict):
            data = aiohttp.FormData(form)
            data.add_field("y", b"0", filename="y")
            request_ = {"data": data}
        url = f"{gateway.http}/v1/realtime/calls"
        async with http.post(url, headers=headers, **request_) as response:
            error = (await response.json())["error"]
            assert response.status == 400, error
            assert error["param"] == param, error
            assert says in error["message"], error
    await released(gateway)


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        ("m=audio", "m=video", "no audio track"),
        (r"m=application \d+", "m=application 0", "no data channel"),
        ("opus/48000", "speex/32000", "without Opus"),
        ("a=rtcp-mux", "a=x", "RTCP mux"),
        ("a=ice-ufrag", "a=x", "ICE username"),
        ("a=fingerprint", "a=x", "no fingerprint"),
    ],
)
async def test_an_offer_of_something_else_is_refused_by_name(
    gateway: OpenDoors, line: str, instead: str, says: str
) -> None:
    async with calling(gateway.http, dial=False) as caller:
        offer = re.sub(line, instead, await caller.offer_text())
        headers = {"Content-Type": "application/sdp"}
        async with caller.http.post(caller.url, data=offer, headers=headers) as answer:
            error = (await answer.json())["error"]
            assert answer.status == 400, error
            assert error["param"] == "sdp"
            assert says in error["message"]
    await released(gateway)


async def test_what_a_stage_cannot_do_is_refused_before_the_call_comes_about(
    gateway: OpenDoors,
) -> None:
    async with calling(gateway.http, dial=False) as caller:
        form = aiohttp.FormData(
            {"sdp": await caller.offer_text()}, default_to_multipart=True
        )
        session = {"audio": {"output": {"voice": "nobody"}}}
        form.add_field("session", json.dumps(session), content_type="application/json")
        async with caller.http.post(caller.url, data=form) as response:
            error = (await response.json())["error"]
            assert response.status == 400
            assert error["param"] == "session.audio.output.voice"
    await released(gateway)


async def test_only_the_key_that_called_may_hang_up(script: Script) -> None:
    keys = f"ours:{hashed('ak_ours')},theirs:{hashed('ak_theirs')}"
    async with (
        doors(script, api_keys=keys) as gateway,
        calling(gateway.http, key="ak_ours") as caller,
        aiohttp.ClientSession() as http,
    ):
        location = gateway.http + caller.location
        for key, status in (("ak_theirs", 404), ("", 401), ("ak_ours", 204)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with http.delete(location, headers=headers) as response:
                assert response.status == status
        await caller.closed()


async def test_calls_that_only_send_sound_use_up_their_minutes_together(
    script: Script,
) -> None:
    async with (
        doors(script, key_minutes=0.1) as gateway,
        calling(gateway.http) as one,
        calling(gateway.http) as other,
    ):
        for caller in (one, other):
            told = (await caller.until("error"))["error"]
            assert told["type"] == "rate_limit_error"
            await caller.closed()


async def test_a_gateway_that_is_full_says_so(script: Script) -> None:
    async with (
        doors(script, max_streams=1) as gateway,
        calling(gateway.http),
        calling(gateway.http, dial=False) as second,
    ):
        offer = await second.offer_text()
        headers = {"Content-Type": "application/sdp"}
        async with second.http.post(second.url, data=offer, headers=headers) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "overloaded"
