"""Replicas come and go while people talk: turns spread over those that have come, and none is lost to those that go."""

import asyncio

import pytest

from tests.compose.asking import ask
from tests.compose.project import Project, number, samples
from tests.e2e.talking import talking
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

VOICES, EARS = 3, 2
MOST_TURNS = 20
"""Within which every replica has had one."""


async def served(project: Project, service: str, method: str) -> dict[str, float]:
    """Calls of a method that each replica has answered."""
    return {
        number(replica): sum(
            value
            for name, value in (await samples(replica, service)).items()
            if name.startswith("antiphon_rpc_duration_seconds_count{")
            and method in name
            and 'code="OK"' in name
        )
        for replica in await project.containers(service)
    }


async def voices(project: Project) -> dict[str, float]:
    return await served(project, "tts", "Synthesize")


async def ears(project: Project) -> dict[str, float]:
    return await served(project, "stt", "Transcribe")


async def test_turns_spread_over_replicas_that_have_come(pipeline: Project) -> None:
    question = recording(QUESTIONS[8])
    async with talking(pipeline.gateway) as person:
        await ask(person, question)
        await pipeline.up(tts=VOICES, stt=EARS)
        for _ in range(MOST_TURNS):
            await ask(person, question)
            spoke, heard = await voices(pipeline), await ears(pipeline)
            if all(spoke.values()) and all(heard.values()):
                break
        assert len(spoke) == VOICES and all(spoke.values()), spoke
        assert len(heard) == EARS and all(heard.values()), heard
        await person.finish()


async def test_no_turn_is_lost_to_replicas_that_go(pipeline: Project) -> None:
    await pipeline.up(tts=VOICES, stt=EARS)
    question = recording(QUESTIONS[8])
    gone = asyncio.Event()

    async def talk() -> int:
        turns = 0
        async with talking(pipeline.gateway) as person:
            while True:
                last = gone.is_set()
                await ask(person, question)
                turns += 1
                if last:
                    await person.finish()
                    return turns

    async with asyncio.TaskGroup() as group:
        talks = [group.create_task(talk()) for _ in range(2)]
        await pipeline.up()
        gone.set()
    assert len(await pipeline.containers("tts")) == 1
    assert len(await pipeline.containers("stt")) == 1
    assert all(talk.result() >= 2 for talk in talks)
