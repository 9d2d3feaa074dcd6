"""An upstream that keeps failing is left alone, and found to be back by one request."""

import asyncio
from typing import Any

from prometheus_client import REGISTRY

from services.runtime.errors import Full
from tests.fakes.running_llm import (
    Serve,
    attempts,
    beginning,
    failure,
    left,
    reply,
    text_of,
    tried,
)
from tests.fakes.upstream import Answer, ScriptedUpstream, Step, refuses, says

LONG: dict[str, Any] = {"failures": 1, "rest": 1000.0, "longest_rest": 1000.0}
SHORT: dict[str, Any] = {"failures": 1, "rest": 1e-6}
BOOM = refuses(500, "boom")


def circuit(upstream: str) -> float | None:
    labels = {"upstream": upstream}
    return REGISTRY.get_sample_value("antiphon_upstream_circuit_state", labels)


def openings(upstream: str, outcome: str) -> float:
    name = "antiphon_upstream_circuit_openings_total"
    labels = {"upstream": upstream, "outcome": outcome}
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_an_upstream_that_rests_is_skipped_and_told_of(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(BOOM)
    before = attempts("skipped", "first")
    async with serve_both(circuit=LONG) as stub:
        assert tried(await reply(stub)) == [("first", "upstream_error"), ("second", "ok")]  # fmt: skip
        assert circuit("first") == 2
        assert tried(await reply(stub)) == [("first", "skipped"), ("second", "ok")]
    assert len(upstream.exchanges) == 1
    assert attempts("skipped", "first") == before + 1


async def test_after_its_rest_one_request_finds_out_whether_it_is_back(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([BOOM, Answer([Step.WAIT, *says("back").steps])])
    async with serve_both(circuit=SHORT) as stub:
        await reply(stub)
        probing = asyncio.ensure_future(reply(stub))
        await upstream.exchange(2)
        assert circuit("first") == 1
        assert tried(await reply(stub)) == [("first", "skipped"), ("second", "ok")]
        upstream.release()
        assert text_of(await probing) == "back"
        assert circuit("first") == 0
        assert tried(await reply(stub)) == [("first", "ok")]


async def test_a_probe_that_is_late_is_overtaken_and_has_failed(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([BOOM, Answer([Step.WAIT])])
    hedging = {"ceiling": 0.02, "share": 0.0}
    before = openings("first", "timeout")
    async with serve_both(circuit=SHORT, hedging=hedging) as stub:
        await reply(stub)
        responses = await reply(stub)
        await left(upstream.exchanges[1])
    assert tried(responses) == [("first", "cancelled"), ("second", "ok")]
    assert openings("first", "timeout") == before + 1


async def test_failures_with_replies_between_them_open_nothing(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([BOOM, says("a"), BOOM, says("b")])
    async with serve_both(circuit={**LONG, "failures": 2}) as stub:
        upstreams = [(await reply(stub))[-1].summary.upstream for _ in range(4)]
    assert upstreams == ["second", "first", "second", "first"]


async def test_an_upstream_that_had_no_time_to_answer_is_not_blamed(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(Answer([Step.WAIT]))
    hurry = {"first_token_timeout": 0.1, "hedge": False}
    async with serve_both(route=hurry, circuit={**LONG, "fair_wait": 5.0}) as stub:
        assert tried(await reply(stub)) == [("first", "timeout"), ("second", "ok")]
        assert tried(await reply(stub)) == [("first", "ok")]


async def test_a_rate_limit_rests_an_upstream_for_as_long_as_it_says(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(refuses(429, "slow", Retry_After="100"))
    async with serve_both() as stub:
        await reply(stub)
        second.answers.append(refuses(429, "full", Retry_After="200"))
        error = await failure(stub)
        assert isinstance(error, Full)
        assert 90 < error.retry_after <= 100
        assert isinstance(await failure(stub), Full)
    assert (len(upstream.exchanges), len(second.exchanges)) == (1, 2)


async def test_where_nobody_else_is_left_one_that_rests_is_asked_all_the_same(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(BOOM)
    async with serve_both(circuit=LONG) as stub:
        await reply(stub)
        second.answers.append(refuses(401, "key"))
        responses = await reply(stub)
    assert text_of(responses) == "Hello there."
    assert tried(responses) == [
        ("first", "skipped"),
        ("second", "unauthorized"),
        ("first", "ok"),
    ]


async def test_a_refused_key_is_said_once_and_not_tried_again(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(refuses(401, "key"))
    async with serve_both() as stub:
        await reply(stub)
        for _ in range(3):
            assert tried(await reply(stub)) == [("first", "skipped"), ("second", "ok")]
    assert len(upstream.exchanges) == 1


async def test_a_full_server_of_our_own_is_passed_by_and_asked_again(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(Answer([Step.WAIT, *says("slow").steps]))
    async with serve_both(route={"hedge": False}, first={"slots": 1}) as stub:
        waiting = asyncio.ensure_future(reply(stub))
        await upstream.exchange(1)
        assert tried(await reply(stub)) == [("first", "rate_limited"), ("second", "ok")]
        upstream.release()
        assert text_of(await waiting) == "slow"
        assert tried(await reply(stub)) == [("first", "ok")]


async def test_prepare_goes_to_whom_the_reply_would_be_asked_of(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(BOOM)
    async with serve_both(circuit=LONG, behind={"slots": 4}) as stub:
        assert not (await stub.Prepare(beginning())).prepared
        assert second.exchanges == []
        await reply(stub)
        assert (await stub.Prepare(beginning())).prepared
    assert [e.body.get("max_tokens") for e in second.exchanges] == [None, 0]
