"""When it is whose turn, over the wire: predicted ends, speculation, changes while it runs, and initiative."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from prometheus_client import REGISTRY

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from gateway.conversation.endpointing import WAITS, Patience, likelihood
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Transcript,
    TurnTaking,
)
from services.runtime.errors import EngineError, InvalidArgument
from services.runtime.units import to_duration
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, RunningGateway, running
from tests.fakes.stages import Script, serving, spoken_text

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)

SOFT_END = 0.2
"""Seconds of silence in which a checkpoint is taken, and no turn decided."""

MEDIUM = TurnTaking(
    Endpointing.PREDICTED, 0.4, Eagerness.MEDIUM, *WAITS[Eagerness.MEDIUM]
)


def wait(says: float | None, hangs: bool = False, text: str = "This is 1.") -> float:
    """Seconds of silence that the end of a turn is waited for, past the soft end."""
    likely = None if hangs else likelihood(says, Transcript(text))
    return Patience().wait(MEDIUM, likely) - SOFT_END


DONE = wait(1.0) + 0.1
"""Seconds of silence past the soft end that end a turn of one who sounds done."""


class ScriptedEnding:
    """Says at each pause what the script says: a probability, None, or nothing at all."""

    def __init__(self) -> None:
        self.says: float | None = 1.0
        self.hangs = False
        self.asked: asyncio.Queue[int] = asyncio.Queue()

    async def probability(self, samples: bytes) -> float | None:
        self.asked.put_nowait(len(samples))
        if self.hangs:
            await asyncio.Future()
        return self.says


@pytest.fixture
async def script() -> Script:
    return Script(
        hear=lambda _conversation, turn: f"This is {turn}.",
        write=lambda request: [request.messages[-1].content[0].text[-2:]],
    )


@pytest.fixture
async def ending() -> ScriptedEnding:
    return ScriptedEnding()


@pytest.fixture
async def gateway(
    script: Script, ending: ScriptedEnding
) -> AsyncIterator[RunningGateway]:
    async with (
        serving(script) as stages,
        running(
            stages, ending=ending, endpointing="predicted", eagerness="medium"
        ) as gateway,
    ):
        yield gateway


async def pause(client: Client, ending: ScriptedEnding) -> None:
    """Speak, and be silent until the predictor is asked."""
    await client.say(speech(0.5) + silence(SOFT_END))
    await ending.asked.get()


async def ended(client: Client) -> pb.TurnEnded:
    return (await client.until("turn_ended")).turn_ended


def since(client: Client, kind: str) -> list[str]:
    """Kinds of messages behind the last one of a kind."""
    kinds = client.kinds()
    return kinds[len(kinds) - kinds[::-1].index(kind) :]


def said(request: llm_pb2.GenerateRequest | llm_pb2.PrepareRequest) -> list[str]:
    """What a model reads, without the instructions."""
    return [message.content[0].text for message in request.messages[1:]]


def counted(outcome: str) -> float:
    labels = {"outcome": outcome}
    return REGISTRY.get_sample_value("antiphon_speculations_total", labels) or 0.0


class Gate:
    """Holds a stage, and says when it has come there."""

    def __init__(self) -> None:
        self.reached: asyncio.Queue[None] = asyncio.Queue()

    def __call__(self) -> "asyncio.Future[None]":
        self.reached.put_nowait(None)
        return asyncio.get_running_loop().create_future()


# --- prediction -------------------------------------------------------------------------------------------


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


# --- speculation ------------------------------------------------------------------------------------------


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


# --- reading ahead ----------------------------------------------------------------------------------------


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


# --- turn-taking that changes -----------------------------------------------------------------------------

MODES = {
    "predicted": {"predicted": {}},
    "silence": {"silence": {"silence": to_duration(0.5)}},
    "manual": {"manual": {}},
}


async def take_turn(client: Client, ending: ScriptedEnding, mode: str) -> str:
    """Speak until it is the assistant's turn in this mode; returns what was heard of the answer."""
    match mode:
        case "predicted":
            await pause(client, ending)
            await client.say(silence(DONE))
        case "silence":
            await client.say(speech(0.5) + silence(0.7))
        case _:
            await client.say(speech(0.5) + silence(3.0) + speech(0.5))
            await client.send(commit={})
    return (await ended(client)).heard_text


@pytest.mark.parametrize("before", MODES)
@pytest.mark.parametrize("after", MODES)
async def test_a_change_is_confirmed_and_is_in_force_from_then_on(
    gateway: RunningGateway, ending: ScriptedEnding, before: str, after: str
) -> None:
    client = await Client.open(gateway, turn_taking=MODES[before])
    assert client.got[0].ready.turn_taking.WhichOneof("endpointing") == before
    assert await take_turn(client, ending, before) == "1."
    await client.send(turn_taking=MODES[after])
    told = (await client.until("turn_taking")).turn_taking
    assert told.WhichOneof("endpointing") == after
    assert told.interrupt == pb.INTERRUPT_POLICY_SPEECH
    assert await take_turn(client, ending, after) == "2."
    assert [r.turn_ended.turn for r in client.got if r.HasField("turn_ended")] == [1, 2]


async def test_ready_says_when_it_is_whose_turn(gateway: RunningGateway) -> None:
    client = await Client.open(gateway)
    assert client.got[0].ready.turn_taking == pb.TurnTaking(
        predicted={
            "eagerness": pb.EAGERNESS_MEDIUM,
            "min_wait": to_duration(MEDIUM.min_wait),
            "max_wait": to_duration(MEDIUM.max_wait),
        },
        interrupt=pb.INTERRUPT_POLICY_SPEECH,
    )


@pytest.mark.parametrize(
    ("turn_taking", "field"),
    [
        ({"interrupt": 77}, "turn_taking.interrupt"),
        ({"predicted": {"eagerness": 77}}, "turn_taking.predicted.eagerness"),
        (
            {"silence": {"silence": to_duration(0.01)}},
            "turn_taking.silence.silence",
        ),
    ],
)
async def test_a_change_that_is_not_allowed_is_named(
    gateway: RunningGateway, turn_taking: dict[str, object], field: str
) -> None:
    client = await Client.open(gateway)
    await client.send(turn_taking=turn_taking)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.until("ended")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(error.value.details()).startswith(field)


# --- initiative -------------------------------------------------------------------------------------------


async def test_the_assistant_greets_in_the_clients_words(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    client = await Client.open(gateway, greeting={"say": "Hi."})
    turn = await ended(client)
    assert (turn.turn, turn.heard_text) == (1, "Hi.")
    assert not turn.HasField("waterfall")
    assert spoken_text(client.audio(1)) == "Hi."
    assert script.requests == []
    assert await take_turn(client, ending, "predicted") == "2."
    assert said(script.requests[-1])[1:] == ["Hi.", "This is 2."]


async def test_the_assistant_greets_in_its_own_words(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway, greeting={"prompt": "Greet number 9."})
    assert (await ended(client)).heard_text == "9."
    assert said(script.requests[0]) == ["Greet number 9."]


async def test_a_user_who_speaks_first_is_not_talked_over(
    gateway: RunningGateway, script: Script, ending: ScriptedEnding
) -> None:
    held = Gate()
    script.before_speaking = held
    client = await Client.open(gateway, greeting={"say": "Hello there."})
    await held.reached.get()
    script.before_speaking = lambda: None
    await pause(client, ending)
    assert (await ended(client)).outcome == pb.TURN_OUTCOME_INTERRUPTED
    assert await script.cancelled.get() == "Synthesize"
    await client.say(silence(DONE))
    assert (await ended(client)).heard_text == "2."
    assert client.audio(1) == b""


async def test_a_silence_is_broken_again_and_again_up_to_a_limit(
    gateway: RunningGateway, ending: ScriptedEnding
) -> None:
    idle = {"after": to_duration(1.0), "what": {"say": "Hm?"}, "most": 2}
    client = await Client.open(gateway, idle=idle)
    assert [(await ended(client)).heard_text for _ in range(2)] == ["Hm?"] * 2
    assert await take_turn(client, ending, "predicted") == "3."


async def test_a_greeting_that_is_not_allowed_is_named(gateway: RunningGateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=r"config\.greeting\.say"):
        await Client.open(gateway, greeting={"say": ""})


# --- tools ------------------------------------------------------------------------------------------------


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
