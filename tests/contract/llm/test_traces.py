"""Each try at an upstream is a span of its own below the RPC, and the upstream is told which."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from services.llm.hedging import Hedged
from services.llm.upstreams import Outcome
from services.runtime.telemetry import names
from tests.fakes import upstream as fake
from tests.fakes.running_llm import (
    Serve,
    asking,
    beginning,
    failure,
    left,
    message,
    reply,
    running_proxy,
    text_of,
)
from tests.fakes.spans import Spans, id_of, recorded, told, trace_of
from tests.fakes.upstream import Exchange, ScriptedUpstream, Step, chunk, says

GENERATE = "antiphon.v1.LanguageModel/Generate"
PREPARE = "antiphon.v1.LanguageModel/Prepare"
CHAT = "chat default"


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as found:
        yield found


def outcome(span: ReadableSpan) -> tuple[Any, Any, StatusCode]:
    """Its outcome, its error and its status."""
    said = told(span)
    status = span.status.status_code
    return said[names.ATTEMPT_OUTCOME], said.get(names.ERROR_TYPE), status


def parent(exchange: Exchange) -> tuple[int, int]:
    """The trace, and the span in it, that an upstream was told of."""
    _, trace, span, _ = exchange.headers["traceparent"].split("-")
    return int(trace, 16), int(span, 16)


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


async def test_a_reply_is_a_span_below_the_rpc_by_the_conventions(
    spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(
        fake.Answer(
            [
                fake.event({"model": "gemma-4-31b-it-fp8", "choices": []}),
                *says("Hello").steps,
            ]
        )
    )
    async with serve(model="google/gemma-4") as stub:
        await reply(stub)
        await spans.all_ended(at_least=2)
    span = spans.one("chat google/gemma-4")
    assert spans.below(spans.one(GENERATE)) == [span]
    assert span.kind is SpanKind.CLIENT
    port = int(upstream.root.rsplit(":", 1)[1])
    assert told(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai_compatible",
        "gen_ai.request.model": "google/gemma-4",
        "gen_ai.response.model": "gemma-4-31b-it-fp8",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.cache_read.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "server.address": "127.0.0.1",
        "server.port": port,
        "http.response.status_code": 200,
        names.UPSTREAM: "scripted",
        names.ATTEMPT_OUTCOME: "ok",
        names.HEDGE: False,
        names.WORK: "reply",
    }
    assert span.status.status_code is StatusCode.UNSET
    [event] = span.events
    assert event.name == names.FIRST_TOKEN_EVENT
    assert span.start_time and span.end_time
    assert span.start_time < event.timestamp <= span.end_time


async def test_each_upstream_is_told_of_the_try_at_it(
    spans: Spans,
    serve_both: Serve,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
) -> None:
    upstream.answers.append(fake.refuses(500, "no"))
    async with serve_both() as stub:
        await reply(stub)
        await spans.all_ended(at_least=3)
    for one, span in zip((upstream, second), spans.named(CHAT), strict=True):
        assert parent(one.exchanges[0]) == (trace_of(span), id_of(span))


async def test_a_failover_is_two_spans_one_behind_the_other(
    spans: Spans, serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(500, "no"))
    async with serve_both() as stub:
        await reply(stub)
        await spans.all_ended(at_least=3)
    first, behind = spans.below(spans.one(GENERATE))
    assert told(first)[names.UPSTREAM] == "first"
    assert outcome(first) == ("upstream_error", "upstream_error", StatusCode.ERROR)
    assert told(first)[names.HTTP_STATUS_CODE] == 500
    assert events(first) == []
    assert told(behind)[names.UPSTREAM] == "second"
    assert outcome(behind) == ("ok", None, StatusCode.UNSET)
    assert first.end_time and behind.start_time
    assert first.end_time <= behind.start_time


async def test_a_hedge_and_the_late_one_overlap_and_the_loser_is_no_failure(
    spans: Spans, serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([Step.WAIT]))
    async with serve_both(route={"hedge": 0.01}) as stub:
        await reply(stub)
        await left(upstream.exchanges[0])
        await spans.all_ended(at_least=3)
    late, hedge = spans.below(spans.one(GENERATE))
    assert outcome(late) == ("cancelled", None, StatusCode.UNSET)
    assert outcome(hedge) == ("ok", None, StatusCode.UNSET)
    assert [told(span)[names.HEDGE] for span in (late, hedge)] == [False, True]
    assert late.end_time and hedge.start_time and hedge.end_time
    assert hedge.start_time < late.end_time <= hedge.end_time


async def test_a_limit_is_told_and_who_rests_is_no_span_but_an_event(
    spans: Spans, serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(429, "slow down", retry_after="60"))
    async with serve_both() as stub:
        await reply(stub)
        await reply(stub)
        await spans.all_ended(at_least=5)
    before, after = spans.named(GENERATE)
    limited, _ = spans.below(before)
    assert outcome(limited) == ("rate_limited", "rate_limited", StatusCode.ERROR)
    assert told(limited)[names.HTTP_STATUS_CODE] == 429
    assert events(before) == []
    [asked] = spans.below(after)
    assert told(asked)[names.UPSTREAM] == "second"
    [skipped] = after.events
    assert skipped.name == names.SKIPPED_EVENT
    assert dict(skipped.attributes or {}) == {names.UPSTREAM: "first"}


async def test_a_reply_of_nothing_but_reasoning_has_no_first_token(
    spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(
        fake.Answer(
            [chunk(reasoning_content="Hm."), chunk("length"), fake.USAGE, fake.DONE]
        )
    )
    async with serve() as stub:
        await failure(stub)
        await spans.all_ended(at_least=2)
    span = spans.one(CHAT)
    assert outcome(span) == ("empty", "empty", StatusCode.ERROR)
    assert told(span)[names.HTTP_STATUS_CODE] == 200
    assert events(span) == []


async def test_an_upstream_that_is_not_there_is_named_and_has_no_status(
    spans: Spans, serve: Serve
) -> None:
    async with serve(base_url="http://127.0.0.1:1/v1") as stub:
        await failure(stub)
        await spans.all_ended(at_least=2)
    span = spans.one(CHAT)
    assert outcome(span) == ("unreachable", "unreachable", StatusCode.ERROR)
    assert told(span)[names.SERVER_PORT] == 1
    assert names.HTTP_STATUS_CODE not in told(span)


async def test_one_that_breaks_off_is_a_failure_behind_its_first_token(
    spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.BREAK]))
    async with serve() as stub:
        await failure(stub)
        await spans.all_ended(at_least=2)
    span = spans.one(CHAT)
    assert outcome(span) == ("upstream_error", "upstream_error", StatusCode.ERROR)
    assert events(span) == [names.FIRST_TOKEN_EVENT]


@pytest.mark.parametrize("begun", [False, True], ids=["silent", "writing"])
async def test_whose_caller_leaves_is_cancelled_and_has_not_failed(
    begun: bool, spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    written = [chunk(content="a")] if begun else []
    upstream.answers.append(fake.Answer([*written, Step.WAIT]))
    async with serve() as stub:
        call = stub.Generate(asking())
        exchange = await upstream.exchange(1)
        if begun:
            await call.read()
        call.cancel()
        await left(exchange)
        await spans.all_ended(at_least=2)
    assert outcome(spans.one(CHAT)) == ("cancelled", None, StatusCode.UNSET)


async def test_a_prompt_that_is_read_ahead_is_a_span_too(
    spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    async with serve(slots=1) as stub:
        await stub.Prepare(beginning())
        await spans.all_ended(at_least=2)
    [span] = spans.below(spans.one(PREPARE))
    assert told(span)[names.WORK] == "prepare"
    assert told(span)[names.GEN_AI_INPUT_TOKENS] == 12
    assert outcome(span) == ("ok", None, StatusCode.UNSET)
    assert parent(upstream.exchanges[0])[1] == id_of(span)


async def test_a_prompt_that_has_no_place_is_skipped(
    spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.WAIT]))
    async with serve(slots=1) as stub:
        call = stub.Generate(asking())
        await call.read()
        await stub.Prepare(beginning())
        call.cancel()
        await spans.all_ended(at_least=4)
    [span] = spans.below(spans.one(PREPARE))
    assert outcome(span) == ("skipped", None, StatusCode.UNSET)


async def test_a_prompt_that_could_not_be_read_ahead_says_why(
    spans: Spans, serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(503, "busy"))
    async with serve(slots=1) as stub:
        with pytest.raises(Exception, match="busy"):
            await stub.Prepare(beginning())
        await spans.all_ended(at_least=2)
    [span] = spans.below(spans.one(PREPARE))
    assert outcome(span) == ("upstream_error", "upstream_error", StatusCode.ERROR)


async def test_no_word_and_no_key_is_in_a_trace(
    spans: Spans,
    serve: Serve,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEY", "sk-secret")
    upstream.answers.extend(
        [
            says("marzipan"),
            fake.refuses(400, "no pomegranate, sk-secret"),
            fake.Answer([fake.event({"error": {"message": "pomegranate"}})]),
        ]
    )
    prompt = asking(messages=[message("pomegranate")])
    async with serve(api_key_variable="KEY") as stub:
        assert text_of(await reply(stub, prompt)) == "marzipan"
        await failure(stub, prompt)
        await failure(stub, prompt)
        await spans.all_ended(at_least=6)
    every = "".join(span.to_json() for span in spans)
    assert "scripted" in every
    for word in ("pomegranate", "marzipan", "secret"):
        assert word not in every


async def test_a_first_token_and_a_try_lead_to_their_trace(
    spans: Spans, upstream: ScriptedUpstream
) -> None:
    settings = {"name": "exemplary", "base_url": upstream.url}
    async with running_proxy(settings) as stub:
        await reply(stub)
        await spans.all_ended(at_least=2)
    expected = {"trace_id": f"{trace_of(spans.one(CHAT)):032x}"}
    found = {
        sample.name: sample.exemplar.labels
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.labels.get("upstream") == "exemplary" and sample.exemplar
    }
    assert found == {
        "antiphon_first_token_seconds_bucket": expected,
        "antiphon_upstream_attempts_total": expected,
    }


async def test_what_can_become_of_an_upstream_is_counted_from_0(
    upstream: ScriptedUpstream,
) -> None:
    async with running_proxy({"name": "newcomer", "base_url": upstream.url}):
        pass

    def count(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"upstream": "newcomer", **labels})

    for ending in Outcome:
        for name in ("upstream_attempts", "upstream_circuit_openings"):
            assert count(f"antiphon_{name}_total", outcome=ending) == 0
    for hedged in Hedged:
        assert count("antiphon_hedges_total", outcome=hedged) == 0
    for kind in ("prompt", "cached", "completion"):
        assert count("antiphon_tokens_total", kind=kind) == 0
    assert count("antiphon_upstream_circuit_state") == 0
    assert count("antiphon_first_token_seconds_count") == 0
