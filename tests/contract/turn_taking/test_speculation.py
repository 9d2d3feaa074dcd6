"""Answers begun, and words read, before a turn is decided, over the wire."""

import asyncio

import pytest

from antiphon.v1 import conversation_pb2 as pb
from services.runtime.errors import EngineError, InvalidArgument
from tests.fakes.endings import (
    DONE,
    SOFT_END,
    Gate,
    ScriptedEnding,
    counted,
    ended,
    pause,
    said,
    since,
    wait,
)
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, RunningGateway, running
from tests.fakes.stages import Script, serving, spoken_text

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)


async def test_an_answer_made_ahead_is_the_one_that_is_given(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    used = counted("used")
    client = await Client.open(gateway)
    await pause(client, ending)
    await client.say(silence(DONE))
    turn = await ended(client)
    (request,) = script.requests
    assert said(request) == ["This is 1."]
    assert request.turn.turn == 1
    assert turn.heard_text == "1."
    assert turn.waterfall.saved.ToNanoseconds() > 0
    assert counted("used") == used + 1
    await script.idle.wait()


@pytest.mark.parametrize(
    ("gate", "rpc"),
    [("before_writing", "Generate"), ("before_speaking", "Synthesize")],
)
async def test_the_stages_see_an_answer_begun_and_cancelled_when_the_user_goes_on(
    gateway: RunningGateway,
    script: Script,
    ending: ScriptedEnding,
    gate: str,
    rpc: str,
) -> None:
    client = await Client.open(gateway)
    held = Gate()
    setattr(script, gate, held)
    await pause(client, ending)
    await held.reached.get()
    assert not {"user_transcript", "reply_started"} & set(client.kinds())
    setattr(script, gate, lambda: None)
    await client.say(speech(0.5))
    assert await script.cancelled.get() == rpc
    await client.say(silence(SOFT_END))
    await ending.asked.get()
    await client.say(silence(DONE))
    assert (await ended(client)).outcome == pb.TURN_OUTCOME_ANSWERED
    first, second = script.requests
    assert first.turn.turn == second.turn.turn == 1
    assert first.turn.revision < second.turn.revision
    assert client.kinds().count("reply_started") == 1
    assert spoken_text(client.audio(1)) == "1."
    await script.idle.wait()


async def test_nothing_is_told_of_an_answer_before_it_is_decided(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    client = await Client.open(gateway)
    ending.says = 0.0
    await pause(client, ending)
    await client.say(silence(wait(0.0) - 0.1))
    await client.send(clear={})
    # What follows the clear has been told behind all that came before it.
    await client.send(text={"text": "Written 2.", "respond": True})
    turn = await ended(client)
    assert (turn.turn, turn.heard_text) == (1, "2.")
    assert since(client, "speech_stopped")[0] == "reply_started"
    assert spoken_text(client.audio(1)) == "2."


@pytest.mark.parametrize("gate", ["before_writing", "before_speaking"])
async def test_an_answer_that_fails_ahead_is_made_anew(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding, gate: str
) -> None:
    failed = counted("failed")
    failures: asyncio.Queue[None] = asyncio.Queue()

    def fail() -> None:
        setattr(script, gate, lambda: None)
        failures.put_nowait(None)
        raise EngineError("broken")

    setattr(script, gate, fail)
    client = await Client.open(gateway)
    await pause(client, ending)
    await failures.get()
    # Enough for who seems done: whether the failure comes before or behind it, there is nothing to wait for.
    await client.say(silence(1.0))
    turn = await ended(client)
    assert (turn.outcome, turn.heard_text) == (pb.TURN_OUTCOME_ANSWERED, "1.")
    assert len(script.requests) == 2
    assert counted("failed") == failed + 1


async def test_what_seems_done_is_undecided_until_the_answer_can_be_heard(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    client = await Client.open(gateway)
    held = Gate()
    script.before_speaking = held
    await pause(client, ending)
    await held.reached.get()
    # Longer than the shortest wait, and the user goes on all the same: nobody was cut off.
    await client.say(silence(1.0) + speech(0.5))
    await client.until("speech_started")
    await client.until("speech_started")
    assert "user_transcript" not in client.kinds()
    assert await script.cancelled.get() == "Synthesize"


async def test_without_speculation_no_stage_works_before_the_decision(
    script: Script, ending: ScriptedEnding
) -> None:
    async with (
        serving(script) as stages,
        running(
            stages, ending=ending, endpointing="predicted", speculations=0
        ) as gateway,
    ):
        client = await Client.open(gateway)
        await pause(client, ending)
        await client.say(speech(0.5) + silence(SOFT_END))
        await ending.asked.get()
        assert script.requests == []
        await client.say(silence(DONE))
        assert (await ended(client)).outcome == pb.TURN_OUTCOME_ANSWERED


async def test_words_that_will_not_change_are_read_ahead(
    script: Script, ending: ScriptedEnding
) -> None:
    script.prepares = True
    script.certain = True
    async with serving(script) as stages, running(stages, ending=ending) as gateway:
        client = await Client.open(gateway)
        # Once an answer is there, what is prepared at the beginning has been.
        await client.send(text={"text": "Hello 0.", "respond": True})
        await ended(client)
        script.hear = lambda _conversation, _turn: "Tell me all about Paris 2."
        await client.say(speech(1.0))
        await client.send(commit={})
        await ended(client)
    beginning, ahead = script.prepared
    assert said(beginning) == []
    assert said(ahead) == ["Hello 0.", "0.", "Tell me all about Paris"]
    # Whatever was read ahead is how the prompt begins.
    asked = script.requests[-1]
    assert list(asked.messages[:-1]) == list(ahead.messages[:-1])
    assert said(asked)[-1].startswith(said(ahead)[-1])


async def test_words_that_cannot_be_read_ahead_end_no_conversation(
    script: Script, ending: ScriptedEnding
) -> None:
    def refuse() -> None:
        if len(script.prepared) > 1:
            raise InvalidArgument("messages", "the context is too small")

    script.prepares = script.certain = True
    script.before_prepared = refuse
    async with serving(script) as stages, running(stages, ending=ending) as gateway:
        client = await Client.open(gateway)
        await client.send(text={"text": "Hello 0.", "respond": True})
        await ended(client)
        script.hear = lambda _conversation, _turn: "Tell me all about Paris 2."
        for _ in range(2):
            await client.say(speech(1.0))
            await client.send(commit={})
            await client.say(silence(0.5))
            assert (await ended(client)).outcome == pb.TURN_OUTCOME_ANSWERED
    assert len(script.prepared) > 1


async def test_nothing_is_read_ahead_by_a_model_that_keeps_nothing(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    script.hear = lambda _conversation, _turn: "Tell me all about Paris 1."
    script.certain = True
    client = await Client.open(gateway, interim_transcripts=True)
    await pause(client, ending)
    await client.say(silence(DONE))
    partial = (await client.until("partial_transcript")).partial_transcript
    assert partial.text == "Tell me all about Paris 1."
    assert partial.stable_characters == len(partial.text)
    await ended(client)
    assert len(script.prepared) == 1
