"""`docker compose stop` in mid-answer: the answer comes to its end, then everybody leaves without an error."""

import asyncio

import pytest

from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    ConversationConfig,
    ConversationEnded,
    Initiative,
    ReplyAudio,
)
from tests.compose.asking import ask
from tests.compose.project import SERVICES, Project
from tests.e2e.realtime import calling
from tests.e2e.talking import talking
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "I could go on about bees for quite a while. They make honey, and they dance."


async def assert_left_in_good_order(project: Project) -> None:
    for service in SERVICES:
        state = (await project.container(service))["State"]
        how = (service, state["Status"], state["ExitCode"], state["OOMKilled"])
        assert how == (service, "exited", 0, False)


async def test_an_answer_under_way_is_finished_before_anybody_leaves(
    pipeline: Project,
) -> None:
    greeted = ConversationConfig(greeting=Initiative(say=LONG))
    async with talking(pipeline.gateway, greeted) as person:
        await person.until(ReplyAudio)
        stopping = asyncio.create_task(pipeline.compose("stop"))
        turn = await person.turn()
        ended = await person.until(ConversationEnded)
        # The stream ends with OK: anything else would be raised here.
        assert [event async for event in person.conversation] == []
        await stopping
    assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
    assert turn.ended.heard_text == LONG
    assert ended.turns == 1
    await assert_left_in_good_order(pipeline)


async def test_a_caller_of_the_realtime_api_hears_the_answer_out(
    pipeline: Project,
) -> None:
    async with calling(pipeline.http, model="default") as caller:
        caller.say(recording(QUESTIONS[5]))
        await caller.until("response.output_audio.delta")
        stopping = asyncio.create_task(pipeline.compose("stop"))
        done = await caller.until("response.done")
        assert done.response.status == "completed"
        await stopping
    await assert_left_in_good_order(pipeline)


async def test_what_was_stopped_answers_again_when_it_is_started(
    pipeline: Project,
) -> None:
    await pipeline.compose("stop")
    await pipeline.up()
    async with talking(pipeline.gateway, microphone=False) as person:
        await ask(person, "What do bees make?")
