"""Turns of the Realtime protocol are traced like any other; a response beside the conversation is one of its turns' kind."""

import asyncio
import socket

import pytest

from tests.fakes.hearing import silence, speech
from tests.fakes.running_realtime import RunningRealtime, connected
from tests.fakes.spans import recorded
from tests.fakes.stages import Script
from tests.fakes.turn_traces import Piece, counted, traces


async def test_a_spoken_turn_is_a_trace_linked_to_its_conversation(
    gateway: RunningRealtime,
) -> None:
    with recorded() as spans:
        async with connected(gateway) as client:
            await client.say(speech(0.5) + silence(0.6))
            response = (await client.until("response.done"))["response"]
            await client.socket.close()
        (trace,) = await traces(spans)
    conversation = Piece.made(spans.one("conversation"))
    assert trace.root.links == (conversation.trace,)
    opened = str(conversation.attributes["antiphon.conversation.id"])
    assert opened == trace.root.attributes["antiphon.conversation.id"]
    assert opened in response["conversation_id"]
    for name in ("transcribe", "generate", "synthesize"):
        (served,) = trace.below(trace.one(name))
        assert served.attributes["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize(("goodbye", "ending"), [(True, "client"), (False, "lost")])
async def test_a_conversation_whose_client_closes_it_is_not_lost(
    gateway: RunningRealtime, goodbye: bool, ending: str
) -> None:
    before = counted("antiphon_conversations_total", ending=ending)
    async with connected(gateway) as client:
        if goodbye:
            await client.socket.close()
        else:
            transport = client.socket.get_extra_info("socket")
            transport.shutdown(socket.SHUT_RDWR)
        while gateway.admission.open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert counted("antiphon_conversations_total", ending=ending) == before + 1


async def test_a_response_beside_the_conversation_is_linked_to_the_same_one(
    gateway: RunningRealtime, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    with recorded() as spans:
        async with connected(gateway) as client:
            await client.send("response.create", response={"conversation": "none"})
            await client.until("response.done")
            await client.socket.close()
        (trace,) = await traces(spans)
    conversation = Piece.made(spans.one("conversation"))
    assert trace.root.links == (conversation.trace,)
    assert (
        trace.root.attributes["antiphon.conversation.id"]
        == conversation.attributes["antiphon.conversation.id"]
    )
    assert [piece.name for piece in trace.below(trace.root)] == [
        "generate",
        "synthesize",
        "playout",
    ]
