"""`docker compose stop` in mid-answer: the answers come to their end, then everybody leaves without an error."""

import asyncio

import pytest

from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    ConversationConfig,
    ConversationEnded,
    Initiative,
    ReplyAudio,
)
from tests.compose.asking import ask, assert_heard_out
from tests.compose.project import SERVICES, Project
from tests.e2e.realtime import Caller, calling
from tests.e2e.talking import PATIENCE, Talker, talking
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "I could go on about bees for quite a while. They make honey, and they dance."


async def test_answers_under_way_are_finished_before_anybody_leaves(
    pipeline: Project,
) -> None:
    greeted = ConversationConfig(greeting=Initiative(say=LONG))
    async with (
        calling(pipeline.http, model="default") as caller,
        talking(pipeline.gateway, greeted) as person,
    ):
        caller.say(recording(QUESTIONS[5]))
        await asyncio.gather(
            person.until(ReplyAudio), caller.until("response.output_audio.delta")
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(pipeline.compose("stop"))
            group.create_task(heard_out(person))
            group.create_task(called_out(caller))
    for service in SERVICES:
        state = (await pipeline.container(service))["State"]
        how = (service, state["Status"], state["ExitCode"], state["OOMKilled"])
        assert how == (service, "exited", 0, False)

    await pipeline.up()
    async with talking(pipeline.gateway, microphone=False) as person:
        await ask(person, "What do bees make?")


async def heard_out(person: Talker) -> None:
    """The greeting, and a goodbye."""
    turn = await person.turn()
    assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
    assert turn.ended.heard_text == LONG
    ended = await person.until(ConversationEnded)
    assert ended.turns == 1
    # The stream ends with OK: anything else would be raised here.
    assert [event async for event in person.conversation] == []


async def called_out(caller: Caller) -> None:
    """The answer, a goodbye, and a connection that is closed as connections should be."""
    assert_heard_out((await caller.until("response.done")).response)
    async with asyncio.timeout(PATIENCE):
        # Any other closing than one that goes well would be raised here.
        last = [event async for event in caller.connection]
    errors = [event.error.code for event in last if event.type == "error"]
    assert errors == ["service_unavailable"]
