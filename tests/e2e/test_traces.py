"""One turn is one trace across four processes, and the times in it are those that the client is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.conversation_pb2 import (
    ConversationConfig,
    ReplyAudio,
    SilenceEndpointing,
    TurnTaking,
)
from services.runtime.units import to_duration
from tests.e2e.talking import PATIENCE, Turn, talking
from tests.fakes.otlp import Receiver, receiving
from tests.fakes.turn_traces import SHARES, Piece, TurnTrace, shares_of, turns
from tests.fakes.upstream import Answer, ScriptedUpstream, says, scripted_upstream
from tests.microphone import QUESTIONS, recording
from tests.stack import Stack, stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHORT = says("It is Paris.")
LONG = says("It is Paris. " + "There is much more to say about it, you know. " * 4)
FIRST_PART = 0.9
"""Seconds of a question, up to the midst of it."""

PATIENT = ConversationConfig(
    turn_taking=TurnTaking(silence=SilenceEndpointing(silence=to_duration(3.0)))
)
SERVERS = {
    "transcribe": ("antiphon-stt", "antiphon.v1.SpeechToText/Transcribe"),
    "generate": ("antiphon-llm", "antiphon.v1.LanguageModel/Generate"),
    "synthesize": ("antiphon-tts", "antiphon.v1.TextToSpeech/Synthesize"),
}
ENGINES = {"transcribe": "compute", "generate": "chat ", "synthesize": "clause"}
"""What begins the name of a span below each server's."""


@dataclass
class Traced:
    """Processes that send their spans here.

    Attributes:
        stack: the processes.
        upstream: what the language-model stage asks.
        receiver: takes the spans.
        pieces: all that came so far.
    """

    stack: Stack
    upstream: ScriptedUpstream
    receiver: Receiver
    pieces: list[Piece] = field(default_factory=list)

    def first_answer_is(self, answer: Answer) -> None:
        """From now on the first turn of a conversation is answered like this, however often it is drafted."""
        self.upstream.answer_to = lambda body: (
            SHORT
            if any(message["role"] == "assistant" for message in body["messages"])
            else answer
        )

    async def turns(self, conversation: str, count: int) -> list[TurnTrace]:
        """So many turns of a conversation, once all spans of theirs have come."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self._complete(conversation)) < count:
                service, span = await self.receiver.spans.get()
                self.pieces.append(Piece.received(service, span))
        return found

    def _complete(self, conversation: str) -> list[TurnTrace]:
        return [
            trace
            for trace in turns(self.pieces)
            if trace.root.attributes["antiphon.conversation.id"] == conversation
            and all(
                trace.below(call)
                for call in trace.below(trace.root)
                if call.attributes.get("rpc.response.status_code") == "OK"
            )
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traced() -> AsyncIterator[Traced]:
    async with receiving() as receiver, scripted_upstream() as upstream:
        upstream.answer_to = lambda _body: SHORT
        environment = {
            "ANTIPHON_LLM_UPSTREAMS": json.dumps(
                [{"name": "scripted", "base_url": upstream.url}]
            ),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        async with stack(environment, without=("llm-local",)) as running:
            yield Traced(running, upstream, receiver)


def assert_adds_up(trace: TurnTrace, turn: Turn) -> None:
    """What the client is told, what the root says and what the spans show agree within a millisecond."""
    told = shares_of(turn.ended.waterfall)
    assert told["total"] > 0
    assert trace.told() == pytest.approx(told, abs=1e-3)
    assert trace.waterfall() == pytest.approx(told, abs=1e-3)
    parts = sum(told[share] for share in SHARES if share not in ("saved", "total"))
    assert parts - told["saved"] == pytest.approx(told["total"], abs=1e-3)


def assert_reaches_everywhere(trace: TurnTrace, answer: int = -1) -> None:
    """Each call has its server's span below it, in the server's process, and an engine's below that."""
    for name, (service, server) in SERVERS.items():
        call = trace.all(name)[answer]
        (served,) = trace.below(call)
        assert (call.service, served.service) == ("antiphon-gateway", service)
        assert served.name == server
        below = [piece.name for piece in trace.below(served)]
        assert any(piece.startswith(ENGINES[name]) for piece in below), (name, below)


async def test_every_hop_of_a_turn_is_in_its_trace(traced: Traced) -> None:
    async with talking(traced.stack.gateway) as person:
        turn = await person.ask(recording(QUESTIONS[2]))
        await person.finish()
        (trace,) = await traced.turns(person.conversation.ready.conversation_id, 1)
    assert turn.ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert {piece.service for piece in trace.pieces} == {
        "antiphon-gateway",
        "antiphon-stt",
        "antiphon-llm",
        "antiphon-tts",
    }
    ids = {piece.id for piece in trace.pieces}
    assert trace.root.parent == ""
    assert all(piece.parent in ids for piece in trace.pieces if piece != trace.root)
    assert {"endpointing", "playout", *SERVERS} <= {
        piece.name for piece in trace.below(trace.root)
    }
    assert_reaches_everywhere(trace)
    assert_adds_up(trace, turn)
    assert "Paris" not in str(trace.pieces)


async def test_the_last_turns_are_told_at_the_metrics_port(traced: Traced) -> None:
    async with talking(traced.stack.gateway) as person:
        turn = await person.ask(recording(QUESTIONS[2]))
        await person.finish()
        (trace,) = await traced.turns(person.conversation.ready.conversation_id, 1)
    url = traced.stack.url("gateway", "metrics_port", "/turns?last=1")
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        assert response.status == 200
        document = await response.json()
    (kept,) = document["turns"]
    assert kept["conversation"] == person.conversation.ready.conversation_id
    assert kept["trace_id"] == trace.root.trace
    told = shares_of(turn.ended.waterfall)
    assert kept["total"] == pytest.approx(told["total"], abs=1e-3)
    assert "Paris" not in json.dumps(document)


async def test_an_interrupted_turn_adds_up(traced: Traced) -> None:
    traced.first_answer_is(LONG)
    async with talking(traced.stack.gateway) as person:
        person.microphone.say(recording(QUESTIONS[2]))
        await person.until(ReplyAudio)
        person.microphone.say(recording(QUESTIONS[3]))
        turn = await person.turn()
        assert turn.ended.outcome == pb.TURN_OUTCOME_INTERRUPTED
        follower = await person.turn()
        await person.finish()
        first, second = await traced.turns(person.conversation.ready.conversation_id, 2)
    assert first.root.attributes["antiphon.turn.outcome"] == "interrupted"
    assert first.root.trace != second.root.trace
    assert_adds_up(first, turn)
    assert_adds_up(second, follower)
    assert_reaches_everywhere(second)


async def test_a_turn_that_was_answered_twice_in_vain_has_both_answers_in_its_trace(
    traced: Traced,
) -> None:
    traced.first_answer_is(SHORT)
    question = QUESTIONS[2]
    async with talking(traced.stack.gateway, PATIENT) as person:
        asked = len(traced.upstream.exchanges)
        person.microphone.say(recording(question, end=FIRST_PART))
        await traced.upstream.exchange(asked + 1)
        person.microphone.say(recording(question, start=FIRST_PART))
        turn = await person.turn()
        await person.finish()
        (trace,) = await traced.turns(person.conversation.ready.conversation_id, 1)
    outcomes = [
        draft.attributes["antiphon.speculation.outcome"]
        for draft in trace.all("speculate")
    ]
    assert outcomes[-1] == "used"
    assert outcomes[:-1] and set(outcomes[:-1]) == {"resumed"}
    assert_adds_up(trace, turn)
    assert_reaches_everywhere(trace)


async def test_a_turn_whose_voice_dies_says_so_in_its_trace(
    traced: Traced,
) -> None:
    traced.first_answer_is(LONG)
    async with talking(traced.stack.gateway) as person:
        person.microphone.say(recording(QUESTIONS[2]))
        await person.until(ReplyAudio)
        traced.stack.process("tts").kill()
        turn = await person.turn()
        assert turn.ended.outcome == pb.TURN_OUTCOME_FAILED
        (trace,) = await traced.turns(person.conversation.ready.conversation_id, 1)
    assert trace.root.failed
    assert trace.root.attributes["error.type"] == "tts"
    call = trace.all("synthesize")[-1]
    assert call.failed
    assert call.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert_adds_up(trace, turn)
