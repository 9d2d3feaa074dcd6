"""A turn ends when it seems to, over the wire."""

import pytest

from antiphon.v1 import conversation_pb2 as pb
from tests.fakes.endings import DONE, SOFT_END, ScriptedEnding, ended, pause, wait
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, RunningGateway, running
from tests.fakes.stages import Script, serving

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)


async def test_who_seems_done_is_answered_after_the_shortest_wait(
    gateway: RunningGateway, ending: ScriptedEnding
) -> None:
    client = await Client.open(gateway)
    await pause(client, ending)
    await client.say(silence(DONE))
    assert (await ended(client)).outcome == pb.TURN_OUTCOME_ANSWERED


@pytest.mark.parametrize(("says", "hangs"), [(0.0, False), (None, False), (1.0, True)])
async def test_who_does_not_may_go_on_and_is_answered_once_as_a_whole(
    gateway: RunningGateway,
    script: Script,
    ending: ScriptedEnding,
    says: float | None,
    hangs: bool,
) -> None:
    client = await Client.open(gateway)
    ending.says, ending.hangs = says, hangs
    await pause(client, ending)
    await client.say(silence(wait(says, hangs) - 0.1))
    ending.says, ending.hangs = 1.0, False
    await pause(client, ending)
    await client.say(silence(DONE))
    await ended(client)
    assert client.kinds().count("speech_started") == 2
    assert client.kinds().count("user_transcript") == 1
    assert len(script.transcribed) == 1


@pytest.mark.parametrize(("says", "hangs"), [(0.0, False), (None, False), (1.0, True)])
async def test_whoever_is_silent_long_enough_is_answered_whatever_is_predicted(
    gateway: RunningGateway, ending: ScriptedEnding, says: float | None, hangs: bool
) -> None:
    client = await Client.open(gateway)
    ending.says, ending.hangs = says, hangs
    await pause(client, ending)
    await client.say(silence(2.0))
    assert (await ended(client)).outcome == pb.TURN_OUTCOME_ANSWERED


async def test_without_a_predictor_the_transcript_has_its_vote(script: Script) -> None:
    async with (
        serving(script) as stages,
        running(stages, endpointing="predicted", eagerness="medium") as gateway,
    ):
        script.hear = lambda _conversation, _turn: "Is it?"
        client = await Client.open(gateway)
        await client.say(speech(0.5) + silence(wait(None, text="Is it?") + 0.3))
        assert (await ended(client)).outcome == pb.TURN_OUTCOME_ANSWERED


async def test_the_predictor_hears_the_utterance_and_its_pause(
    gateway: RunningGateway, ending: ScriptedEnding
) -> None:
    client = await Client.open(gateway)
    await client.say(silence(2.0) + speech(0.5) + silence(SOFT_END))
    seconds = await ending.asked.get() / 32_000
    assert seconds == pytest.approx(0.3 + 0.5 + 0.16, abs=0.1)
