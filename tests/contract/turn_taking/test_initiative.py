"""The assistant speaks first, over the wire."""

import grpc
import pytest

from antiphon.v1 import conversation_pb2 as pb
from services.runtime.units import to_duration
from tests.fakes.endings import (
    DONE,
    Gate,
    ScriptedEnding,
    ended,
    pause,
    said,
    take_turn,
)
from tests.fakes.hearing import silence
from tests.fakes.running_gateway import Client, RunningGateway
from tests.fakes.stages import Script, spoken_text

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)


async def test_the_assistant_greets_in_the_clients_words(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    client = await Client.open(gateway, greeting={"say": "Hi."})
    turn = await ended(client)
    assert (turn.turn, turn.heard_text) == (1, "Hi.")
    assert not turn.HasField("waterfall")
    assert spoken_text(client.audio(1)) == "Hi."
    assert script.requests == []
    assert await take_turn(client, ending, "predicted") == "2."
    assert said(script.requests[-1])[1:] == ["Hi.", "This is 2."]


async def test_the_assistant_greets_in_its_own_words(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway, greeting={"prompt": "Greet number 9."})
    assert (await ended(client)).heard_text == "9."
    assert said(script.requests[0]) == ["Greet number 9."]


async def test_a_user_who_speaks_first_is_not_talked_over(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    held = Gate()
    script.before_speaking = held
    client = await Client.open(gateway, greeting={"say": "Hello there."})
    await held.reached.get()
    script.before_speaking = lambda: None
    await pause(client, ending)
    assert (await ended(client)).outcome == pb.TURN_OUTCOME_INTERRUPTED
    assert await script.cancelled.get() == "Synthesize"
    await client.say(silence(DONE))
    assert (await ended(client)).heard_text == "2."
    assert client.audio(1) == b""


async def test_a_silence_is_broken_again_and_again_up_to_a_limit(
    gateway: RunningGateway, ending: ScriptedEnding
) -> None:
    idle = {"after": to_duration(1.0), "what": {"say": "Hm?"}, "most": 2}
    client = await Client.open(gateway, idle=idle)
    assert [(await ended(client)).heard_text for _ in range(2)] == ["Hm?"] * 2
    assert await take_turn(client, ending, "predicted") == "3."


async def test_a_greeting_that_is_not_allowed_is_named(gateway: RunningGateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=r"config\.greeting\.say"):
        await Client.open(gateway, greeting={"say": ""})
