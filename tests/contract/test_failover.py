"""A turn survives replicas that are full, or go away while they work for it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import grpc
import pytest

from antiphon.v1 import conversation_pb2 as pb
from gateway.stages.call import TRIES
from services.runtime.errors import (
    AntiphonError,
    EngineError,
    Full,
    TooMuch,
    Unavailable,
)
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, running
from tests.fakes.stages import Script, serving, spoken_text

SAID = speech(0.5) + silence(0.6)


class Closing(AntiphonError):
    """What a call is told that comes just when a server closes."""

    code = grpc.StatusCode.CANCELLED


GONE = [Full("full"), Unavailable("gone"), Closing("closing")]


def failing(error: AntiphonError, times: int) -> Callable[[], None]:
    """Raises the error the first times."""
    left = [error] * times

    def fail() -> None:
        if left:
            raise left.pop()

    return fail


async def ask(client: Client) -> pb.TurnEnded:
    await client.say(SAID)
    return (await client.until("turn_ended")).turn_ended


async def talk(script: Script, **settings: object) -> tuple[Client, pb.TurnEnded]:
    """One question to a gateway before the script."""
    async with serving(script) as stages, running(stages, **settings) as gateway:
        client = await Client.open(gateway)
        return client, await ask(client)


def code(ended: pb.TurnEnded) -> int:
    return ended.error.code


@pytest.mark.parametrize("error", GONE)
@pytest.mark.parametrize("stage", ["hearing", "writing", "speaking"])
async def test_a_stage_that_is_full_or_gone_is_asked_again(
    stage: str, error: AntiphonError
) -> None:
    script = Script(hear=lambda _conversation, _turn: "Why?")
    setattr(script, f"before_{stage}", failing(error, TRIES - 1))
    client, ended = await talk(script, speculations=0)
    assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert ended.heard_text == spoken_text(client.audio(turn=1)) == "You said: Why?."


@pytest.mark.parametrize("stage", ["hearing", "writing", "speaking"])
async def test_one_that_stays_away_fails_the_turn(stage: str) -> None:
    asked = []

    def gone() -> None:
        asked.append(stage)
        raise Unavailable("gone")

    script = Script()
    setattr(script, f"before_{stage}", gone)
    _, ended = await talk(script, speculations=0)
    assert ended.outcome == pb.TURN_OUTCOME_FAILED
    assert code(ended) == grpc.StatusCode.UNAVAILABLE.value[0]
    assert len(asked) == TRIES


def everywhere(error: AntiphonError) -> AntiphonError:
    """One that every replica would say."""
    error.everywhere = True
    return error


@pytest.mark.parametrize(
    "error",
    [
        EngineError("broken"),
        TooMuch("too long"),
        everywhere(Full("rate-limited")),
        everywhere(Unavailable("no upstream answers")),
    ],
)
async def test_what_another_replica_would_do_no_better_is_not_asked_again(
    error: AntiphonError,
) -> None:
    script = Script(before_writing=failing(error, 1))
    _, ended = await talk(script, speculations=0)
    assert ended.outcome == pb.TURN_OUTCOME_FAILED
    assert len(script.requests) == 1


async def test_a_model_that_goes_away_behind_its_first_word_is_not_asked_again() -> (
    None
):
    script = Script(behind_piece=failing(Unavailable("gone"), 1))
    _, ended = await talk(script, speculations=0)
    assert code(ended) == grpc.StatusCode.UNAVAILABLE.value[0]
    assert len(script.requests) == 1


async def test_what_is_complete_cannot_fail_any_more() -> None:
    def gone() -> None:
        raise Unavailable("gone")

    script = Script(hear=lambda *_: "Why?", behind_all=gone)
    client, ended = await talk(script, speculations=0)
    assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert ended.heard_text == spoken_text(client.audio(turn=1)) == "You said: Why?."
    assert len(script.requests) == len(script.transcribed) == len(script.voiced) == 1


async def test_a_full_replica_is_passed_over_for_one_that_is_not() -> None:
    full = Script(before_writing=failing(Full("full"), 100))
    free = Script(write=lambda _request: ["."])
    async with serving(full) as first, serving(free) as second:
        both = f"ipv4:{first},{second}"
        async with running(first, llm=both) as gateway:
            client = await Client.open(gateway)
            for _ in range(4):
                assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED
    assert full.requests
    assert len(free.requests) == 4


async def test_an_utterance_outlives_its_recognizer_and_is_heard_from_its_beginning() -> (
    None
):
    scripts = [Script(hear=lambda *_: "Why?"), Script(hear=lambda *_: "Why?")]
    async with AsyncExitStack() as stack:
        replicas = [
            (script, await stack.enter_async_context(AsyncExitStack()))
            for script in scripts
        ]
        addresses = [
            await doomed.enter_async_context(serving(script))
            for script, doomed in replicas
        ]
        steady = await stack.enter_async_context(serving(Script()))
        gateway = await stack.enter_async_context(
            running(steady, stt="ipv4:" + ",".join(addresses))
        )
        client = await Client.open(gateway, interim_transcripts=True)
        await client.say(speech(0.5))
        await client.until("partial_transcript")
        (heard_by,) = [replica for replica in replicas if replica[0].open["Transcribe"]]
        (other,) = [script for script in scripts if script is not heard_by[0]]
        await heard_by[1].aclose()
        await client.say(speech(0.4) + silence(0.6))
        ended = (await client.until("turn_ended")).turn_ended
        assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
        assert ended.heard_text == "You said: Why?."
        (seconds,) = other.transcribed
        assert seconds >= 0.9


async def test_a_checkpoint_that_was_answered_is_not_asked_for_again() -> None:
    asked, understood = [], asyncio.Event()

    def hearing() -> None:
        asked.append("a checkpoint, or the end")
        if len(asked) == 2:
            raise Unavailable("gone")

    script = Script(
        hear=lambda *_: "Why?", before_hearing=hearing, before_writing=understood.set
    )
    async with serving(script) as stages, running(stages) as gateway:
        client = await Client.open(gateway)
        await client.say(speech(0.5) + silence(0.3))
        await understood.wait()
        assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED
        await script.idle.wait()
    assert len(asked) == len(
        ["first checkpoint", "second, gone", "second again", "end"]
    )


async def test_who_is_cancelled_meanwhile_is_not_asked_again() -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def gone() -> None:
        reached.set()
        await go.wait()
        raise Unavailable("gone")

    script = Script(before_writing=gone)
    async with serving(script) as stages, running(stages) as gateway:
        client = await Client.open(gateway)
        await client.send(text={"text": "Why?", "respond": True})
        await reached.wait()
        await client.send(cancel={})
        ended = (await client.until("turn_ended")).turn_ended
        go.set()
        await script.idle.wait()
        script.before_writing = lambda: None
        await ask(client)
    assert ended.outcome == pb.TURN_OUTCOME_CANCELLED
    assert len(script.requests) == 2
