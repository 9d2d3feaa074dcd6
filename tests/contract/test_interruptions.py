"""Interruptions and speculations as the stages and the client see them, over the wire."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from services.runtime.units import to_seconds
from tests.fakes.hearing import silence
from tests.fakes.running_gateway import Client, RunningGateway, running
from tests.fakes.running_llm import serving_proxy
from tests.fakes.saying import noise, said_in, saying
from tests.fakes.stages import Script, serving, spoken_text
from tests.fakes.upstream import (
    Answer,
    ScriptedUpstream,
    Step,
    chunk,
    scripted_upstream,
)

LONG = "one two three four five six seven eight nine ten eleven twelve"
CHARACTER = 0.04
"""Seconds that the scripted voice takes to say a character."""

PATIENCE = 5.0
"""Seconds after which a test that waits for the other side has failed; the proxy waits for twice as long."""

ALWAYS, SPEECH, WORDS, NEVER = (
    pb.INTERRUPT_POLICY_ALWAYS,
    pb.INTERRUPT_POLICY_SPEECH,
    pb.INTERRUPT_POLICY_WORDS,
    pb.INTERRUPT_POLICY_NEVER,
)


@pytest.fixture
async def script() -> Script:
    return Script(understand=said_in, write=lambda _request: [LONG])


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[RunningGateway]:
    async with serving(script) as stages, running(stages) as gateway:
        yield gateway


@asynccontextmanager
async def before_upstream(
    script: Script, upstream: ScriptedUpstream
) -> AsyncIterator[RunningGateway]:
    """A gateway whose language model is the proxy before that upstream."""
    settings = {"name": "scripted", "base_url": upstream.url}
    async with (
        serving(script) as stages,
        serving_proxy(settings) as proxy,
        running(stages, llm=proxy) as gateway,
    ):
        yield gateway


async def talk_to(
    gateway: RunningGateway, interrupt: pb.InterruptPolicy = SPEECH
) -> Client:
    return await Client.open(gateway, turn_taking={"interrupt": interrupt})


async def ask(client: Client, words: str = "tell me more") -> None:
    """Say something, and be silent until it is a turn."""
    await client.say(saying(words) + silence(0.6))


async def asked_and_answering(
    gateway: RunningGateway, interrupt: pb.InterruptPolicy = SPEECH
) -> Client:
    """A conversation in which some of an answer has been heard: more has come than is sent ahead."""
    client = await talk_to(gateway, interrupt)
    await ask(client)
    for _ in range(16):
        await client.until("reply_audio")
    return client


async def all_seen(script: Script, *names: str) -> None:
    """Wait until the stages have seen these calls cancelled."""
    async with asyncio.timeout(PATIENCE):
        seen = {await script.cancelled.get() for _ in names}
    assert seen == set(names)


def of_turn(client: Client, turn: int) -> list[str]:
    """Kinds of all that was told of a turn's answer, in order."""
    kinds = []
    for response in client.got:
        kind = response.WhichOneof("message")
        if kind.startswith("reply_") and getattr(response, kind).turn == turn:
            kinds.append(kind)
    return kinds


def prompt(request: llm_pb2.GenerateRequest) -> list[str]:
    """What the model read after its instructions."""
    return [message.content[0].text for message in request.messages[1:]]


async def test_who_works_for_an_interrupted_answer_is_cancelled_and_nothing_of_it_follows(
    gateway: RunningGateway, script: Script
) -> None:
    script.write = lambda request: (
        [LONG, "never"] if len(request.messages) == 2 else ["Yes."]
    )
    script.behind_piece = asyncio.Future
    client = await asked_and_answering(gateway)
    await client.say(saying("no, wait a moment") + silence(0.3))
    await client.until("reply_interrupted")
    await all_seen(script, "Generate", "Synthesize")
    script.behind_piece = lambda: None
    await client.say(silence(0.4))
    while (await client.until("turn_ended")).turn_ended.turn == 1:
        pass
    assert of_turn(client, 1)[-1] == "reply_interrupted"
    assert of_turn(client, 1).count("reply_interrupted") == 1
    assert spoken_text(client.audio(turn=2)) == "Yes."


async def test_what_is_said_into_an_answer_that_goes_on_is_heard_and_read_with_the_next(
    gateway: RunningGateway, script: Script
) -> None:
    client = await asked_and_answering(gateway, pb.INTERRUPT_POLICY_LISTEN)
    await client.say(saying("I knew that already") + silence(0.6))
    heard = (await client.until("turn_ended")).turn_ended
    assert (heard.turn, heard.outcome) == (2, pb.TURN_OUTCOME_HEARD)
    answered = (await client.until("turn_ended")).turn_ended
    assert (answered.turn, answered.heard_text) == (1, LONG)
    assert "reply_ducked" not in client.kinds()
    script.write = lambda _request: ["Yes."]
    await client.send(text={"text": "Go on.", "respond": True})
    await client.until("turn_ended")
    assert prompt(script.requests[-1])[1:] == [LONG, "I knew that already Go on."]


async def test_an_interrupted_answer_leaves_the_upstream_connection(
    script: Script,
) -> None:
    async with scripted_upstream() as upstream:
        upstream.answers.append(Answer([chunk(content=LONG + ". "), Step.WAIT]))
        async with before_upstream(script, upstream) as gateway:
            client = await asked_and_answering(gateway, ALWAYS)
            exchange = await upstream.exchange(1)
            assert not exchange.left.is_set()
            await client.say(saying("stop"))
            await client.until("reply_interrupted")
            async with asyncio.timeout(PATIENCE):
                await exchange.left.wait()


async def test_a_user_who_goes_on_leaves_the_upstream_connection_of_what_was_begun_meanwhile(
    script: Script,
) -> None:
    async with scripted_upstream() as upstream:
        upstream.answers.append(Answer([chunk(content=LONG + ". "), Step.WAIT]))
        async with before_upstream(script, upstream) as gateway:
            client = await talk_to(gateway)
            await client.say(saying("what is the") + silence(0.3))
            speculation = await upstream.exchange(1)
            assert speculation.body["messages"][-1]["content"] == "what is the"
            await client.say(saying(" time now"))
            async with asyncio.timeout(PATIENCE):
                await speculation.left.wait()
            await client.say(silence(0.6))
            ended = (await client.until("turn_ended")).turn_ended
    assert (ended.turn, ended.outcome) == (1, pb.TURN_OUTCOME_ANSWERED)
    assert spoken_text(client.audio(turn=1)) == ended.heard_text == "Hello there."
    said = (await upstream.exchange(2)).body["messages"][-1]["content"]
    assert said.split() == ["what", "is", "the", "time", "now"]


async def test_the_stages_see_a_speculation_cancelled_when_the_user_goes_on(
    gateway: RunningGateway, script: Script
) -> None:
    spoken = asyncio.Event()
    script.write = lambda _request: ["A first clause, ", "never"]
    script.behind_piece = asyncio.Future
    script.spoke = lambda _turn: spoken.set()
    client = await talk_to(gateway)
    await client.say(saying("what is the") + silence(0.3))
    await spoken.wait()
    await client.say(saying("time now"))
    await all_seen(script, "Generate", "Synthesize")
    assert of_turn(client, 1) == []


async def test_thirty_conversations_hear_only_of_the_revision_whose_words_were_told(
    script: Script,
) -> None:
    def write(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
        turn = request.turn
        echo = request.messages[-1].content[0].text
        return [f"{turn.conversation_id} {turn.turn}.{turn.revision} {echo}"]

    spoken: defaultdict[str, asyncio.Queue[int]] = defaultdict(asyncio.Queue)
    script.write = write
    script.spoke = lambda turn: spoken[turn.conversation_id].put_nowait(turn.revision)
    async with serving(script) as stages, running(stages) as gateway:

        async def converse() -> None:
            client = await talk_to(gateway)
            mine = client.got[0].ready.conversation_id
            for turn in (1, 2):
                revisions = []
                for words in ("what about", " the other", " one"):
                    await client.say(saying(words) + silence(0.3))
                    revisions.append(await spoken[mine].get())
                assert len(set(revisions)) == 3
                await client.say(silence(0.3))
                transcript = (await client.until("user_transcript")).user_transcript
                await client.until("turn_ended")
                told = transcript.transcript.text
                assert told.split() == ["what", "about", "the", "other", "one"]
                assert transcript.turn == turn
                said = f"{mine} {turn}.{revisions[-1]} {told}"
                assert spoken_text(client.audio(turn)) == said

        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(converse())


@pytest.mark.parametrize("interrupt", [ALWAYS, SPEECH, WORDS])
async def test_history_keeps_what_was_heard_by_the_marks(
    gateway: RunningGateway, script: Script, interrupt: pb.InterruptPolicy
) -> None:
    client = await asked_and_answering(gateway, interrupt)
    await client.say(saying("what was that") + silence(0.3))
    cut = (await client.until("reply_interrupted")).reply_interrupted
    heard = LONG[: int(to_seconds(cut.at) / CHARACTER + 1e-6)]
    assert 0 < len(heard) < len(LONG)
    assert (await client.until("turn_ended")).turn_ended.heard_text == heard
    await client.say(silence(0.4))
    await client.until("reply_started")
    assert prompt(script.requests[-1]) == ["tell me more", heard, "what was that"]


async def test_what_the_client_says_it_heard_wins_over_the_clock(
    gateway: RunningGateway, script: Script
) -> None:
    client = await asked_and_answering(gateway)
    await client.send(
        truncate={"turn": 1, "heard": {"nanos": round(5.5 * CHARACTER * 1e9)}}
    )
    await client.until("turn_ended")
    assert of_turn(client, 1)[-1] == "reply_interrupted"
    await ask(client, "go on")
    await client.until("reply_started")
    assert prompt(script.requests[-1]) == ["tell me more", LONG[:5], "go on"]


async def test_a_backchannel_ducks_the_answer_and_lets_it_go_on(
    gateway: RunningGateway, script: Script
) -> None:
    client = await asked_and_answering(gateway)
    await client.say(saying("mm-hmm") + silence(0.6))
    ducked = (await client.until("reply_ducked")).reply_ducked
    assert (ducked.turn, ducked.ducked) == (1, True)
    ducked = (await client.until("reply_ducked")).reply_ducked
    assert (ducked.turn, ducked.ducked) == (1, False)
    ended = (await client.until("turn_ended")).turn_ended
    assert (ended.outcome, ended.heard_text) == (pb.TURN_OUTCOME_ANSWERED, LONG)
    assert "reply_interrupted" not in client.kinds()
    assert spoken_text(client.audio(turn=1)) == LONG


@pytest.mark.parametrize("interrupt", [SPEECH, WORDS])
async def test_words_interrupt_although_they_are_few(
    gateway: RunningGateway, interrupt: pb.InterruptPolicy
) -> None:
    client = await asked_and_answering(gateway, interrupt)
    await client.say(saying("but why") + silence(0.3))
    await client.until("reply_ducked")
    assert (await client.until("reply_interrupted")).reply_interrupted.turn == 1


async def test_always_cuts_at_once_and_without_a_word_understood(
    gateway: RunningGateway, script: Script
) -> None:
    client = await asked_and_answering(gateway, ALWAYS)
    script.before_hearing = asyncio.Future
    await client.say(noise(0.1))
    await client.until("reply_interrupted")
    assert "reply_ducked" not in client.kinds()


async def test_where_words_interrupt_a_long_noise_does_not(
    gateway: RunningGateway,
) -> None:
    client = await asked_and_answering(gateway, WORDS)
    await client.say(noise(3.0) + silence(0.6))
    ended = (await client.until("turn_ended")).turn_ended
    assert (ended.turn, ended.outcome) == (1, pb.TURN_OUTCOME_ANSWERED)
    ducked = [
        response.reply_ducked.ducked
        for response in client.got
        if response.WhichOneof("message") == "reply_ducked"
    ]
    assert ducked == [True, False]


async def test_where_speech_interrupts_a_long_noise_does(
    gateway: RunningGateway,
) -> None:
    client = await asked_and_answering(gateway, SPEECH)
    await client.say(noise(1.0))
    await client.until("reply_ducked")
    await client.until("reply_interrupted")


async def test_never_hears_nothing_of_what_is_said_into_an_answer(
    gateway: RunningGateway, script: Script
) -> None:
    client = await asked_and_answering(gateway, NEVER)
    await client.say(saying("stop it, stop it now") + silence(0.6))
    ended = (await client.until("turn_ended")).turn_ended
    assert (ended.outcome, ended.heard_text) == (pb.TURN_OUTCOME_ANSWERED, LONG)
    assert client.kinds().count("speech_started") == 1
    assert len(script.transcribed) == 1
    await ask(client, "and now")
    await client.until("reply_started")
    assert prompt(script.requests[-1]) == ["tell me more", LONG, "and now"]
