"""One trace a turn, whatever becomes of the turn."""

import asyncio

import pytest

from antiphon.v1 import conversation_pb2 as pb
from services.runtime.errors import Full
from services.runtime.units import to_duration
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, RunningGateway, ask, running
from tests.fakes.spans import Spans
from tests.fakes.stages import Script, serving
from tests.fakes.turn_traces import (
    SHARES,
    Piece,
    TurnTrace,
    counted,
    hang_up,
    shares_of,
    traces,
)

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)

SERVERS = {
    "transcribe": "antiphon.v1.SpeechToText/Transcribe",
    "generate": "antiphon.v1.LanguageModel/Generate",
    "synthesize": "antiphon.v1.TextToSpeech/Synthesize",
}


class Gate:
    """Holds a stage, and says when it has come there."""

    def __init__(self) -> None:
        self.reached: asyncio.Queue[None] = asyncio.Queue()

    def __call__(self) -> "asyncio.Future[None]":
        self.reached.put_nowait(None)
        return asyncio.get_running_loop().create_future()


def assert_adds_up(trace: TurnTrace, ended: pb.TurnEnded) -> None:
    """What a client is told, what the root says and what its spans show agree within a millisecond."""
    told = shares_of(ended.waterfall)
    assert trace.told() == pytest.approx(told, abs=1e-3)
    assert trace.waterfall() == pytest.approx(told, abs=1e-3)
    parts = sum(told[share] for share in SHARES if share not in ("saved", "total"))
    assert parts - told["saved"] == pytest.approx(told["total"], abs=1e-3)


async def test_a_spoken_turn_is_one_trace_with_a_server_span_below_each_call(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    ended = await ask(client)
    await hang_up(client)
    (trace,) = await traces(spans)
    assert trace.root.parent == ""
    names = {piece.name for piece in trace.below(trace.root)}
    # All of its sound comes at once, and whether anybody answers ahead is a race.
    assert names - {"speculate"} == {"endpointing", "playout", *SERVERS}
    for name, server in SERVERS.items():
        call = trace.one(name)
        (served,) = trace.below(call)
        assert served.name == server
        assert call.attributes["rpc.method"] == server
        assert call.attributes["rpc.response.status_code"] == "OK"
        assert call.attributes["antiphon.tries"] == 1
    assert_adds_up(trace, ended)


async def test_turns_are_linked_to_their_conversation_whose_own_span_is_short(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    await ask(client)
    await ask(client)
    await hang_up(client)
    first, second = await traces(spans)
    conversation = Piece.made(spans.one("conversation"))
    assert len({conversation.trace, first.root.trace, second.root.trace}) == 3
    assert first.root.links == second.root.links == (conversation.trace,)
    assert conversation.end < first.root.end
    assert (
        conversation.attributes["antiphon.conversation.id"]
        == first.root.attributes["antiphon.conversation.id"]
        != ""
    )


async def test_what_is_read_ahead_hangs_below_the_conversation(
    script: Script, spans: Spans
) -> None:
    script.prepares = True
    async with serving(script) as stages, running(stages) as gateway:
        client = await Client.open(gateway)
        # Once an answer is there, what is prepared at the beginning has been.
        await client.send(text={"text": "Hello.", "respond": True})
        await client.until("turn_ended")
        await hang_up(client)
    await spans.all_ended()
    below = spans.below(spans.one("conversation"))
    prepared = spans.named("antiphon.v1.LanguageModel/Prepare")
    assert prepared and len(prepared) == len(script.prepared)
    assert [each for each in prepared if each not in below] == []


async def test_what_is_read_ahead_is_no_part_of_a_turn(
    script: Script, spans: Spans
) -> None:
    script.prepares = script.certain = True
    script.hear = lambda _conversation, _turn: "A question that is long enough"
    async with serving(script) as stages, running(stages, prefill=True) as gateway:
        client = await Client.open(gateway)
        await ask(client)
        await hang_up(client)
    await spans.all_ended()
    conversation = Piece.made(spans.one("conversation"))
    read = spans.named("antiphon.v1.LanguageModel/Prepare")
    assert len(read) == len(script.prepared) > 1
    assert {Piece.made(span).parent for span in read} == {conversation.id}


async def test_the_model_is_named_and_its_tokens_are_told(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    await ask(client)
    await hang_up(client)
    (trace,) = await traces(spans)
    told = trace.one("generate").attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "default"
    assert told["gen_ai.usage.input_tokens"] == 7
    assert told["gen_ai.usage.output_tokens"] == 3
    assert told["gen_ai.response.finish_reasons"] == "stop"


async def test_an_interrupted_turn_adds_up_and_its_calls_end_cancelled(
    script: Script, gateway: RunningGateway, spans: Spans
) -> None:
    held = Gate()
    script.behind_piece = held
    before = counted("antiphon_interruptions_total", by="user")
    client = await Client.open(
        gateway, turn_taking={"interrupt": pb.INTERRUPT_POLICY_ALWAYS}
    )
    await client.say(speech(0.5) + silence(0.6))
    await client.until("reply_audio")
    await client.say(speech(0.5))
    ended = (await client.until("turn_ended")).turn_ended
    assert ended.outcome == pb.TURN_OUTCOME_INTERRUPTED
    client.call.cancel()
    trace, follower = await traces(spans)
    assert trace.root.attributes["antiphon.turn.outcome"] == "interrupted"
    assert not trace.root.failed
    for name in ("generate", "synthesize"):
        call = trace.one(name)
        assert call.attributes["rpc.response.status_code"] == "CANCELLED"
        assert not call.failed
    assert_adds_up(trace, ended)
    assert trace.one("playout").end == pytest.approx(trace.root.end, abs=1e-3)
    assert follower.root.attributes["antiphon.turn.outcome"] == "abandoned"
    assert counted("antiphon_interruptions_total", by="user") == before + 1


async def test_a_call_that_has_said_all_is_not_cancelled_by_the_end_of_its_conversation(
    script: Script, gateway: RunningGateway, spans: Spans
) -> None:
    script.behind_all = Gate()
    client = await Client.open(gateway)
    await client.send(text={"text": "Why?", "respond": True})
    await client.until("turn_ended")
    await hang_up(client)
    (trace,) = await traces(spans)
    for name in ("generate", "synthesize"):
        assert trace.one(name).attributes["rpc.response.status_code"] == "OK"


async def test_a_failed_turn_says_who_failed_it(
    script: Script, gateway: RunningGateway, spans: Spans
) -> None:
    def fail() -> None:
        raise RuntimeError("out of voice")

    script.before_speaking = fail
    labels = {"stage": "tts", "code": "INTERNAL"}
    before = counted("antiphon_stage_failures_total", **labels)
    client = await Client.open(gateway)
    await client.say(speech(0.5) + silence(0.6))
    ended = (await client.until("turn_ended")).turn_ended
    assert ended.outcome == pb.TURN_OUTCOME_FAILED
    await hang_up(client)
    (trace,) = await traces(spans)
    assert trace.root.failed
    assert trace.root.attributes["error.type"] == "tts"
    assert trace.root.attributes["antiphon.turn.outcome"] == "failed"
    last = trace.all("synthesize")[-1]
    assert last.failed
    assert last.attributes["rpc.response.status_code"] == "INTERNAL"
    assert last.attributes["error.type"] == "INTERNAL"
    assert trace.one("endpointing").seconds > 0
    assert counted("antiphon_stage_failures_total", **labels) == before + 1
    (kept,) = gateway.sessions.recent.document(1)["turns"]
    assert kept["failure"] == {"stage": "tts", "code": "INTERNAL"}


async def test_a_discarded_draft_stays_in_the_trace_of_the_turn_that_came_of_it(
    script: Script, gateway: RunningGateway, spans: Spans
) -> None:
    held = Gate()
    script.before_speaking = held
    client = await Client.open(
        gateway, turn_taking={"silence": {"silence": to_duration(0.8)}}
    )
    await client.say(speech(0.5) + silence(0.3))
    await held.reached.get()
    again = asyncio.Event()
    script.before_speaking = again.set
    await client.say(speech(0.5))
    assert await script.cancelled.get() == "Synthesize"
    await client.say(silence(0.3))
    await again.wait()
    await client.say(silence(0.7))
    ended = (await client.until("turn_ended")).turn_ended
    assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
    await hang_up(client)
    (trace,) = await traces(spans)
    outcomes = [
        draft.attributes["antiphon.speculation.outcome"]
        for draft in trace.all("speculate")
    ]
    assert outcomes == ["resumed", "used"]
    for name in ("generate", "synthesize"):
        calls = trace.all(name)
        assert [call.attributes["antiphon.revision"] for call in calls] == [
            draft.attributes["antiphon.revision"] for draft in trace.all("speculate")
        ]
        assert calls[0].attributes["antiphon.speculative"] is True
    first, second = trace.all("synthesize")
    assert first.attributes["rpc.response.status_code"] == "CANCELLED"
    assert second.attributes["rpc.response.status_code"] == "OK"
    assert len(trace.all("transcribe")) == 1
    assert_adds_up(trace, ended)


async def test_an_answer_begun_after_the_decision_is_no_speculation(
    script: Script, spans: Spans
) -> None:
    async with serving(script) as stages, running(stages, speculations=0) as gateway:
        client = await Client.open(gateway)
        await ask(client)
        await hang_up(client)
    (trace,) = await traces(spans)
    assert trace.all("speculate") == []
    for name in ("generate", "synthesize"):
        assert trace.one(name).attributes["antiphon.speculative"] is False


async def test_a_replica_that_is_asked_again_is_noted_on_the_one_call(
    script: Script, spans: Spans
) -> None:
    full = [Full("full")]

    def once() -> None:
        if full:
            raise full.pop()

    script.before_writing = once
    labels = {"stage": "llm", "reason": "full"}
    before = counted("antiphon_replicas_asked_again_total", **labels)
    async with serving(script) as stages, running(stages, speculations=0) as gateway:
        client = await Client.open(gateway)
        await ask(client)
        await hang_up(client)
    (trace,) = await traces(spans)
    call = trace.one("generate")
    assert call.attributes["antiphon.tries"] == 2
    assert len(call.at("replica_asked_again")) == 1
    assert call.attributes["rpc.response.status_code"] == "OK"
    first, second = trace.below(call)
    assert first.attributes["rpc.response.status_code"] == "RESOURCE_EXHAUSTED"
    assert second.attributes["rpc.response.status_code"] == "OK"
    assert counted("antiphon_replicas_asked_again_total", **labels) == before + 1


async def test_a_written_turn_has_neither_endpointing_nor_a_transcript(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    await client.send(text={"text": "Why?", "respond": True})
    await client.until("turn_ended")
    await hang_up(client)
    (trace,) = await traces(spans)
    names = [piece.name for piece in trace.below(trace.root)]
    assert names == ["generate", "synthesize", "playout"]


async def test_speech_that_becomes_no_turn_is_forgotten(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    await client.say(speech(0.5))
    await client.until("speech_started")
    await client.send(clear={})
    await hang_up(client)
    (trace,) = await traces(spans)
    assert trace.root.attributes["antiphon.turn.outcome"] == "forgotten"
    assert trace.one("transcribe").attributes["rpc.response.status_code"] == "CANCELLED"
    assert gateway.sessions.recent.document(10)["turns"] == []
