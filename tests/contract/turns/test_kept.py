"""What a gateway keeps, counts and logs of its turns, beside their traces."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from opentelemetry.trace import format_trace_id, get_current_span
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from services.runtime.errors import Full
from services.runtime.telemetry.budgets import Budgets
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, RunningGateway, ask, running
from tests.fakes.spans import Spans
from tests.fakes.stages import Script, serving
from tests.fakes.turn_traces import QUESTION, counted, hang_up, shares_of, traces

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)


async def test_no_span_and_no_kept_turn_has_anybodys_words(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    assert QUESTION in (await ask(client)).heard_text
    await hang_up(client)
    await spans.all_ended()
    assert QUESTION not in str([span.to_json() for span in spans])
    assert QUESTION not in json.dumps(gateway.sessions.recent.document(1))


async def test_an_overrun_is_on_the_root_and_counted_for_its_share_alone(
    script: Script, spans: Spans
) -> None:
    plenty = dict.fromkeys(("endpointing", "stt", "llm", "gateway", "total"), 60.0)
    tight = Budgets({**plenty, "tts": 0.2}, {}, {})

    async def late() -> None:
        await asyncio.sleep(0.3)

    script.before_speaking = late
    shares = (*plenty, "tts")
    name = "antiphon_budget_overruns_total"
    before = {share: counted(name, stage=share) for share in shares}
    async with (
        serving(script) as stages,
        running(stages, budgets=tight, speculations=0) as gateway,
    ):
        client = await Client.open(gateway)
        ended = await ask(client)
        await hang_up(client)
        (kept,) = gateway.sessions.recent.document(1)["turns"]
    (trace,) = await traces(spans)
    assert list(ended.waterfall.overruns) == ["tts"]
    assert trace.root.attributes["antiphon.turn.overruns"] == "tts"
    assert kept["overruns"] == ["tts"]
    assert {share: counted(name, stage=share) - before[share] for share in shares} == {
        **dict.fromkeys(plenty, 0),
        "tts": 1,
    }


async def test_the_turns_that_are_kept_say_what_the_client_and_the_trace_say(
    gateway: RunningGateway, spans: Spans
) -> None:
    client = await Client.open(gateway)
    ended = await ask(client)
    conversation = client.got[0].ready.conversation_id
    await hang_up(client)
    (trace,) = await traces(spans)
    (kept,) = gateway.sessions.recent.document(10)["turns"]
    assert (kept["conversation"], kept["turn"]) == (conversation, 1)
    assert kept["trace_id"] == trace.root.trace
    assert kept["outcome"] == "answered"
    assert kept["route"] == "default"
    told = shares_of(ended.waterfall)
    assert kept["total"] == pytest.approx(told.pop("total"), abs=1e-3)
    assert kept["saved"] == pytest.approx(told.pop("saved"), abs=1e-3)
    assert kept["shares"] == pytest.approx(told, abs=1e-3)
    for shown in kept["spans"]:
        (piece,) = trace.all(shown["name"])
        assert shown["start"] == pytest.approx(piece.start - trace.root.start, abs=1e-3)
        assert shown["end"] == pytest.approx(piece.end - trace.root.start, abs=1e-3)
        attributes: Mapping[str, object] = shown["attributes"]
        assert set(attributes) == set(piece.attributes)


@pytest.mark.parametrize(
    ("end", "ending"), [("half-close", "client"), ("fail", "lost")]
)
async def test_a_conversation_is_counted_by_how_it_ended(
    gateway: RunningGateway, end: str, ending: str
) -> None:
    before = counted("antiphon_conversations_total", ending=ending)
    client = await Client.open(gateway)
    if end == "fail":
        await client.send(tool_result={"tool_call_id": "none of ours"})
    else:
        await hang_up(client)
    await gateway.front.left.get()
    assert counted("antiphon_conversations_total", ending=ending) == before + 1


async def test_an_answer_that_the_client_leaves_is_cancelled_and_its_latency_counts(
    script: Script, gateway: RunningGateway, spans: Spans
) -> None:
    script.write = lambda _request: ["A long answer. " * 20]
    cancelled = {
        "antiphon_turns_total": {"outcome": "cancelled"},
        "antiphon_interruptions_total": {"by": "client"},
        "antiphon_response_latency_seconds_count": {},
    }
    before = {name: counted(name, **labels) for name, labels in cancelled.items()}
    client = await Client.open(gateway)
    await client.say(speech(0.5) + silence(0.6))
    await client.until("reply_audio")
    client.call.cancel()
    await gateway.front.left.get()
    (trace,) = await traces(spans)
    assert trace.root.attributes["antiphon.turn.outcome"] == "cancelled"
    (kept,) = gateway.sessions.recent.document(1)["turns"]
    assert kept["outcome"] == "cancelled"
    assert kept["total"] == pytest.approx(trace.waterfall()["total"], abs=1e-3)
    after = {name: counted(name, **labels) for name, labels in cancelled.items()}
    assert after == {name: count + 1 for name, count in before.items()}


async def test_a_client_that_leaves_before_an_answer_is_there_counts_as_well(
    script: Script, gateway: RunningGateway, spans: Spans
) -> None:
    writing = asyncio.Event()

    def never() -> asyncio.Future[None]:
        writing.set()
        return asyncio.get_running_loop().create_future()

    script.before_writing = never
    before = counted("antiphon_turns_total", outcome="cancelled")
    cut = counted("antiphon_interruptions_total", by="client")
    client = await Client.open(gateway)
    await client.send(text={"text": "Why?", "respond": True})
    await writing.wait()
    client.call.cancel()
    await gateway.front.left.get()
    (trace,) = await traces(spans)
    assert trace.root.attributes["antiphon.turn.outcome"] == "cancelled"
    assert counted("antiphon_turns_total", outcome="cancelled") == before + 1
    assert counted("antiphon_interruptions_total", by="client") == cut


async def test_what_a_call_logs_belongs_to_its_turns_trace(
    script: Script, spans: Spans
) -> None:
    full = [Full("full")]

    def once() -> None:
        if full:
            raise full.pop()

    script.before_writing = once
    with capture_logs(processors=[merge_contextvars, add_trace]) as logged:
        async with (
            serving(script) as stages,
            running(stages, speculations=0) as gateway,
        ):
            client = await Client.open(gateway)
            await ask(client)
            await hang_up(client)
    (trace,) = await traces(spans)
    (line,) = [line for line in logged if "the next one is asked" in line["event"]]
    assert line["trace_id"] == trace.root.trace
    assert line["turn"] == 1
    conversation = trace.root.attributes["antiphon.conversation.id"]
    assert line["conversation"] == conversation


def add_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    context = get_current_span().get_span_context()
    return {**event, "trace_id": format_trace_id(context.trace_id)}
