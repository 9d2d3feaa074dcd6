"""What a session can be asked for besides being talked to: other options, an answer, an answer beside the conversation."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from antiphon.v1 import llm_pb2
from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Ending,
    Finish,
    Interrupt,
    Item,
    Outcome,
    Speaker,
    Wish,
)
from gateway.hearing.voice import Floats, VoiceState
from gateway.options import Options
from services.runtime.errors import InvalidArgument, Unavailable
from tests.fakes.hearing import LoudnessVoice
from tests.fakes.open_sessions import Gateway, opening, say
from tests.fakes.stages import Script

TOOL = llm_pb2.Tool(name="clock")


@pytest.fixture
async def script() -> Script:
    return Script()


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[Gateway]:
    async with opening(script) as opened:
        yield opened


def asked_for(options: Options) -> Options:
    """Nobody is answered unless that is asked for."""
    return replace(options, policy=replace(options.policy, respond=False, go_on=False))


async def test_what_a_session_is_told_has_followed_when_telling_returns(
    gateway: Gateway,
) -> None:
    async with gateway.talk() as (session, told):
        session.tell(e.ItemCreated(Item("mine", Speaker.USER, "I am Ada.")))
        assert [type(notice) for notice in told.got] == [c.TellItem]
        assert session.item("mine") == Item("mine", Speaker.USER, "I am Ada.")
        assert session.item("other") is None


async def test_an_answer_that_is_asked_for_may_have_options_of_its_own(
    gateway: Gateway, script: Script
) -> None:
    own = replace(
        gateway.options,
        tools=(TOOL,),
        sampling=llm_pb2.Sampling(max_tokens=7),
        output_rate=16_000,
    )
    async with gateway.talk(asked_for) as (session, told):
        session.tell(e.TextSaid("Why?", respond=False))
        session.respond(Wish(1), own)
        assert session.answering
        await told.until(c.TellTurnEnded)
        assert not session.answering
        session.respond(Wish(2), None)
        await told.until(c.TellTurnEnded, 2)
    first, second = script.requests
    assert ([tool.name for tool in first.tools], first.sampling.max_tokens) == (
        ["clock"],
        7,
    )
    assert (list(second.tools), second.sampling.max_tokens) == ([], 160)
    assert [config.format.sample_rate for config in script.voiced] == [16_000, 24_000]


async def test_a_wish_that_is_refused_leaves_the_one_that_waits_its_options(
    gateway: Gateway, script: Script
) -> None:
    heard = asyncio.Event()
    script.before_hearing = heard.wait
    async with gateway.talk(asked_for) as (session, told):
        await say(session)
        await told.until(c.TellCommitted)
        session.respond(Wish(1), replace(gateway.options, tools=(TOOL,)))
        session.respond(Wish(2), gateway.options)
        assert len(told.all(c.Refuse)) == 1
        heard.set()
        await told.until(c.TellTurnEnded)
    (request,) = script.requests
    assert [tool.name for tool in request.tools] == ["clock"]


async def test_an_answer_in_progress_keeps_its_options_and_the_next_has_others(
    gateway: Gateway, script: Script
) -> None:
    written = asyncio.Event()
    script.before_writing = written.wait
    async with gateway.talk() as (session, told):
        session.tell(e.TextSaid("Why?", respond=True))
        session.update(
            replace(gateway.options, instructions="Be brief.", voice="scripted")
        )
        written.set()
        await told.until(c.TellTurnEnded)
        session.tell(e.TextSaid("And?", respond=True))
        await told.until(c.TellTurnEnded, 2)
    assert [config.voice for config in script.voiced] == ["", "scripted"]
    said = [request.messages[0].content[0].text for request in script.requests]
    assert said[1] == "Be brief."
    assert said[0] != said[1]


async def test_what_is_said_into_an_answer_takes_its_options_from_nobody(
    gateway: Gateway, script: Script
) -> None:
    written = asyncio.Event()
    script.before_writing = written.wait
    script.hear = lambda _conversation, turn: f"words of turn {turn}"
    turns = replace(gateway.options.policy.turns, interrupt=Interrupt.LISTEN)
    policy = replace(asked_for(gateway.options).policy, turns=turns)
    async with gateway.talk(lambda options: replace(options, policy=policy)) as (
        session,
        told,
    ):
        session.respond(Wish(1), replace(gateway.options, output_rate=16_000))
        await say(session)
        heard = await told.until(c.TellTurnEnded)
        assert isinstance(heard, c.TellTurnEnded)
        assert (heard.turn, heard.outcome) == (2, Outcome.HEARD)
        written.set()
        await told.until(c.TellTurnEnded, 2)
    assert [config.format.sample_rate for config in script.voiced] == [16_000]


async def test_other_instructions_are_read_before_anybody_waits_for_it(
    script: Script,
) -> None:
    read = asyncio.Event()
    script.prepares = True
    script.before_prepared = read.set
    async with opening(script) as gateway, gateway.talk() as (session, told):
        session.update(replace(gateway.options, instructions="Be brief."))
        session.update(
            replace(gateway.options, instructions="Be brief.", voice="scripted")
        )
        session.tell(e.TextSaid("Why?", respond=True))
        await told.until(c.TellTurnEnded)
        read.clear()
        session.update(replace(gateway.options, instructions="Be kind.", tools=(TOOL,)))
        async with asyncio.timeout(10):
            await read.wait()
    newest = script.prepared[-1]
    assert newest.messages[0].content[0].text == "Be kind."
    assert [tool.name for tool in newest.tools] == ["clock"]


async def test_options_that_leave_no_room_are_refused_and_change_nothing(
    gateway: Gateway, script: Script
) -> None:
    async with gateway.talk() as (session, told):
        with pytest.raises(InvalidArgument):
            session.update(replace(gateway.options, instructions="word " * 20_000))
        session.tell(e.TextSaid("Why?", respond=True))
        await told.until(c.TellTurnEnded)
    (request,) = script.requests
    assert request.messages[0].content[0].text == gateway.options.instructions


class Doubtful(LoudnessVoice):
    """Never sure that what it hears is a voice."""

    async def probabilities(self, state: VoiceState, windows: Floats) -> list[float]:
        found = await super().probabilities(state, windows)
        return [0.4 * probability for probability in found]


async def test_a_voice_that_was_too_faint_is_heard_with_a_lower_threshold(
    script: Script,
) -> None:
    async with (
        opening(script, Doubtful()) as gateway,
        gateway.talk(asked_for) as (session, told),
    ):
        await say(session)
        assert told.got == []
        session.update(replace(asked_for(gateway.options), voice_threshold=0.3))
        await say(session)
        await told.until(c.TellTurnEnded)
        assert len(told.all(c.TellSpeechStarted)) == 1


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        (llm_pb2.FINISH_REASON_STOP, Finish.COMPLETE),
        (llm_pb2.FINISH_REASON_LENGTH, Finish.LENGTH),
        (llm_pb2.FINISH_REASON_TOOL_CALLS, Finish.TOOL_CALLS),
        (llm_pb2.FINISH_REASON_CONTENT_FILTER, Finish.FILTERED),
    ],
)
async def test_why_the_model_stopped_reaches_the_client(
    gateway: Gateway, script: Script, said: llm_pb2.FinishReason, finish: Finish
) -> None:
    script.finish = said
    async with gateway.talk() as (session, told):
        session.tell(e.TextSaid("Why?", respond=True))
        ended = await told.until(c.TellTurnEnded)
    assert isinstance(ended, c.TellTurnEnded)
    assert (ended.outcome, ended.finish) == (Outcome.ANSWERED, finish)


# --- beside a conversation --------------------------------------------------------------------------------


def counted() -> float | None:
    return REGISTRY.get_sample_value("antiphon_conversations_open")


def own(text: str) -> Wish:
    return Wish(1, instructions="Judge.", items=(Item("own", Speaker.USER, text),))


async def test_an_answer_beside_a_conversation_leaves_nothing_in_it(
    gateway: Gateway, script: Script
) -> None:
    async with gateway.talk() as (session, told):
        assert counted() == 1
        async with gateway.talk(beside=session) as (aside, asides):
            assert aside.id == session.id
            assert counted() == 1
            aside.respond(own("Is it rude?"), None)
            aside.tell(e.InputEnded())
            await asides.until(c.Close)
        assert [type(n) for n in asides.got if not isinstance(n, c.TellAudio)][:2] == [
            c.TellResponding,
            c.TellReplyStarted,
        ]
        assert told.got == []
        item = asides.all(c.TellReplyStarted)[0].item
        assert session.item(item) is None
    (request,) = script.requests
    assert [message.content[0].text for message in request.messages] == [
        "Judge.",
        "Is it rude?",
    ]


async def test_an_answer_beside_a_conversation_does_not_wait_for_its_own(
    gateway: Gateway, script: Script
) -> None:
    said = asyncio.Event()
    script.before_speaking = said.wait
    async with gateway.talk() as (session, told):
        session.tell(e.TextSaid("Why?", respond=True))
        await told.until(c.TellText)
        async with gateway.talk(beside=session) as (aside, asides):
            aside.respond(replace(own("Is it rude?"), spoken=False), None)
            aside.tell(e.InputEnded())
            await asides.until(c.Close)
        assert session.answering
        said.set()
        await told.until(c.TellTurnEnded)


async def test_what_runs_beside_a_conversation_ends_with_it(
    gateway: Gateway, script: Script
) -> None:
    script.before_writing = asyncio.Event().wait
    async with gateway.talk() as (session, _):
        beside = gateway.talk(beside=session)
        aside, asides = await beside.__aenter__()
        aside.respond(own("Is it rude?"), None)
    assert [type(error) for error in asides.gave_up] == [Unavailable]
    await beside.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        await script.idle.wait()
    with pytest.raises(Unavailable):
        await gateway.talk(beside=session).__aenter__()


async def test_a_gateway_that_goes_away_says_so_to_every_conversation(
    gateway: Gateway,
) -> None:
    async with gateway.talk() as (session, told):
        gateway.sessions.finish()
        assert told.all(c.Close) == [c.Close(0, Ending.DRAINING)]
        with pytest.raises(Unavailable):
            await gateway.talk().__aenter__()
        session.tell(e.TextSaid("Still there?", respond=True))
        assert len(told.got) == 1
