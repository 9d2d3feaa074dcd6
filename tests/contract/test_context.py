"""A gateway keeps prompts within the context that the model's stage says it has."""

import itertools
import json

import grpc
import pytest

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from gateway.conversation.context import MARGIN
from gateway.settings import UNKNOWN_CONTEXT
from tests.fakes.running_gateway import Client, running
from tests.fakes.stages import Script, serving

SMALL = 600
REPLY = 40


def texts(request: llm_pb2.GenerateRequest) -> list[str]:
    return [part.text for message in request.messages for part in message.content]


def words(request: llm_pb2.GenerateRequest) -> int:
    """What a model would count that has a token for each word."""
    return sum(len(text.split()) for text in texts(request))


async def ask(client: Client, text: str) -> pb.TurnEnded:
    await client.send(text={"text": text, "respond": True})
    return (await client.until("turn_ended")).turn_ended


def answering(context_tokens: int) -> Script:
    """A model that says little, and not how many tokens it counted."""
    return Script(
        write=lambda _request: ["."],
        prompt_tokens=lambda _request: 0,
        context_tokens=context_tokens,
    )


async def test_a_long_conversation_is_read_from_its_newest_turns() -> None:
    script = answering(SMALL)
    async with serving(script) as stages, running(stages, max_tokens=REPLY) as gateway:
        client = await Client.open(gateway, instructions="Be kind.")
        for number in range(40):
            ended = await ask(client, f"q{number} " + "word " * 20)
            assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
    prompts = [texts(request) for request in script.requests]
    assert all(prompt[0] == "Be kind." for prompt in prompts)
    assert [prompt[-1].split()[0] for prompt in prompts] == [f"q{n}" for n in range(40)]
    assert all(words(r) <= SMALL * (1 - MARGIN) - REPLY for r in script.requests)
    assert all(r.messages[1].role == llm_pb2.ROLE_USER for r in script.requests)
    begun_anew = sum(
        later[: len(earlier)] != earlier
        for earlier, later in itertools.pairwise(prompts)
    )
    assert 1 < begun_anew < 10


async def test_results_of_tools_stay_with_their_calls() -> None:
    def write(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
        asked = request.messages[-1]
        if asked.role == llm_pb2.ROLE_TOOL:
            return ["."]
        question = asked.content[0].text
        return [llm_pb2.ToolCall(id=question, name="look", arguments_json="{}")]

    script = answering(SMALL)
    script.write = write
    async with serving(script) as stages, running(stages, max_tokens=REPLY) as gateway:
        client = await Client.open(gateway, tools=[llm_pb2.Tool(name="look")])
        for number in range(12):
            ended = await ask(client, f"q{number}")
            assert ended.outcome == pb.TURN_OUTCOME_TOOL_CALLS
            content = json.dumps({"seen": "word " * 20})
            await client.send(
                tool_result={"tool_call_id": f"q{number}", "content": content}
            )
            await client.until("turn_ended")
    assert len(script.requests) == 24
    assert len(script.requests[-1].messages) < 40
    for request in script.requests:
        asked = [call.id for m in request.messages for call in m.tool_calls]
        given = [m.tool_call_id for m in request.messages if m.tool_call_id]
        assert asked == given


async def test_a_text_above_the_context_is_refused_and_the_conversation_goes_on() -> (
    None
):
    script = answering(SMALL)
    async with serving(script) as stages, running(stages) as gateway:
        client = await Client.open(gateway)
        ended = await ask(client, "word " * SMALL)
        assert ended.outcome == pb.TURN_OUTCOME_FAILED
        assert ended.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert f"context of {SMALL}" in ended.error.message
        assert script.requests == []
        assert (await ask(client, "short")).outcome == pb.TURN_OUTCOME_ANSWERED
    assert texts(script.requests[0])[1:] == ["short"]


async def test_instructions_that_fill_the_context_are_refused_at_once() -> None:
    script = answering(SMALL)
    async with serving(script) as stages, running(stages) as gateway:
        with pytest.raises(grpc.aio.AioRpcError, match="whole context of 600") as error:
            await Client.open(gateway, instructions="word " * SMALL)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("said", "setting", "room"),
    [(SMALL, None, SMALL), (SMALL, 4096, 4096), (0, None, UNKNOWN_CONTEXT)],
)
async def test_a_setting_outdoes_what_the_stage_says_and_much_is_taken_for_unknown(
    said: int, setting: int | None, room: int
) -> None:
    script = answering(said)
    enough, too_much = "7" * (room // 2), "7" * (room * 97 // 100)
    async with (
        serving(script) as stages,
        running(stages, context_tokens=setting) as gateway,
    ):
        client = await Client.open(gateway)
        assert (await ask(client, enough)).outcome == pb.TURN_OUTCOME_ANSWERED
        assert (await ask(client, too_much)).outcome == pb.TURN_OUTCOME_FAILED
