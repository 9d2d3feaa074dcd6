"""Tools of answers that were begun ahead, and tools that never answer, over the wire."""

import pytest

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from tests.fakes.endings import DONE, ScriptedEnding, ended, pause, take_turn, wait
from tests.fakes.hearing import silence
from tests.fakes.running_gateway import Client, RunningGateway, running
from tests.fakes.stages import Script, serving

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)


async def test_tools_of_an_answer_made_ahead_are_called_once_it_is_decided(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    calls = [
        llm_pb2.ToolCall(id=f"call_{n}", name="clock", arguments_json="{}")
        for n in (1, 2)
    ]
    script.write = lambda request: (
        ["Noon."] if request.messages[-1].tool_call_id else list(calls)
    )
    client = await Client.open(gateway, tools=[{"name": "clock"}])
    ending.says = 0.0
    await pause(client, ending)
    await client.say(silence(wait(0.0) - 0.1))
    ending.says = 1.0
    await pause(client, ending)
    await client.say(silence(DONE))
    assert (await ended(client)).outcome == pb.TURN_OUTCOME_TOOL_CALLS
    assert client.kinds().count("tool_call") == 2
    for n in (2, 1):
        await client.send(tool_result={"tool_call_id": f"call_{n}", "content": f"{n}"})
    assert (await ended(client)).heard_text == "Noon."
    results = [m.tool_call_id for m in script.requests[-1].messages if m.tool_call_id]
    assert sorted(results) == ["call_1", "call_2"]


async def test_a_tool_that_never_answers_is_given_up(
    script: Script, ending: ScriptedEnding
) -> None:
    script.write = lambda request: (
        ["Sorry."]
        if request.messages[-1].tool_call_id
        else [llm_pb2.ToolCall(id="call_1", name="clock", arguments_json="{}")]
    )
    async with (
        serving(script) as stages,
        running(stages, ending=ending, tool_timeout=0.2) as gateway,
    ):
        client = await Client.open(gateway, tools=[{"name": "clock"}])
        assert await take_turn(client, ending, "silence") == ""
        assert (await ended(client)).heard_text == "Sorry."
        # Late, and nobody minds.
        await client.send(tool_result={"tool_call_id": "call_1", "content": "noon"})
        script.write = lambda _request: ["Yes."]
        assert await take_turn(client, ending, "silence") == "Yes."
