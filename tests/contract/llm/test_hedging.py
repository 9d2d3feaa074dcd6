"""An upstream that is late has another asked alongside it; the first word wins, and the other is let go."""

import asyncio
from typing import Any

from prometheus_client import REGISTRY

from services.runtime.contract import budget_metadata
from services.runtime.errors import InvalidArgument
from tests.fakes.running_llm import (
    Serve,
    asking,
    failure,
    left,
    reply,
    running_proxy,
    text_of,
    tried,
)
from tests.fakes.upstream import Answer, ScriptedUpstream, Step, chunk, refuses, says

SOON: dict[str, Any] = {"hedge": 0.01}
"""Everything is late."""
SLOW = Answer([Step.WAIT, *says("slow").steps])


def hedges(outcome: str) -> float:
    labels = {"upstream": "second", "outcome": outcome}
    return REGISTRY.get_sample_value("antiphon_hedges_total", labels) or 0


async def test_the_hedge_wins_over_a_late_upstream_whose_connection_is_closed(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    before = hedges("won")
    async with serve_both(route=SOON) as stub:
        responses = await reply(stub)
        await left(upstream.exchanges[0])
    assert text_of(responses) == "Hello there."
    assert tried(responses) == [("first", "cancelled"), ("second", "ok")]
    assert responses[-1].summary.upstream == "second"
    assert hedges("won") == before + 1


async def test_what_a_turn_has_left_makes_an_upstream_late_of_which_nothing_is_known(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    async with serve_both() as stub:
        responses = await reply(stub, metadata=(budget_metadata(0.2),))
        await left(upstream.exchanges[0])
    assert tried(responses) == [("first", "cancelled"), ("second", "ok")]


async def test_a_budget_that_is_no_number_is_refused(serve_both: Serve) -> None:
    async with serve_both() as stub:
        error = await failure(stub, metadata=(("antiphon-budget", "soon"),))
    assert isinstance(error, InvalidArgument)
    assert "antiphon-budget" in error.message


async def test_the_loser_is_let_go_while_the_winner_still_writes(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    second.answers.append(Answer([chunk(content="a"), Step.WAIT, chunk("stop")]))
    async with serve_both(route=SOON) as stub:
        call = stub.Generate(asking())
        assert (await call.read()).text == "a"
        await left(upstream.exchanges[0])
        second.release()
        assert (await call.read()).summary.upstream == "second"


async def test_a_late_upstream_may_still_win(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    second.answers.append(SLOW)
    before = hedges("lost")
    async with serve_both(route=SOON) as stub:
        replying = asyncio.ensure_future(reply(stub))
        exchange = await second.exchange(1)
        upstream.release()
        responses = await replying
        await left(exchange)
    assert text_of(responses) == "slow"
    assert tried(responses) == [("second", "cancelled"), ("first", "ok")]
    assert hedges("lost") == before + 1


async def test_a_hedge_that_fails_leaves_the_late_upstream_running(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    second.answers.append(Answer([Step.WAIT, Step.BREAK]))
    async with serve_both(route=SOON) as stub:
        replying = asyncio.ensure_future(reply(stub))
        await second.exchange(1)
        second.release()
        upstream.release()
        assert tried(await replying)[-1] == ("first", "ok")
    assert len(upstream.exchanges) == 1


async def test_a_late_upstream_that_fails_leaves_the_hedge_running(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(Answer([Step.WAIT, Step.BREAK]))
    second.answers.append(SLOW)
    async with serve_both(route=SOON) as stub:
        replying = asyncio.ensure_future(reply(stub))
        await second.exchange(1)
        upstream.release()
        second.release()
        assert tried(await replying)[-1] == ("second", "ok")
    assert len(second.exchanges) == 1


async def test_a_bad_request_ends_both(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    second.answers.append(refuses(400, "no"))
    async with serve_both(route=SOON) as stub:
        assert (await failure(stub)).code.name == "INVALID_ARGUMENT"
        await left(upstream.exchanges[0])


async def test_a_caller_who_leaves_ends_both(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    second.answers.append(SLOW)
    async with serve_both(route=SOON) as stub:
        call = stub.Generate(asking())
        await second.exchange(1)
        call.cancel()
        await left(upstream.exchanges[0])
        await left(second.exchanges[0])


async def test_late_is_what_is_later_than_the_upstreams_first_tokens_so_far(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    hedging = {"samples": 3, "floor": 0.0, "ceiling": 0.02}
    async with serve_both(hedging=hedging) as stub:
        for _ in range(3):
            assert tried(await reply(stub)) == [("first", "ok")]
        upstream.answers.append(SLOW)
        assert tried(await reply(stub)) == [("first", "cancelled"), ("second", "ok")]


async def test_a_server_with_slots_is_not_asked_twice_at_once(
    upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(SLOW)
    slots = {"slots": 2}
    async with running_proxy(
        {"name": "one", "base_url": upstream.url, **slots},
        {"name": "two", "base_url": upstream.url + "/", **slots},
        {"name": "other", "base_url": second.url},
        routes={"default": {"upstreams": ["one", "two", "other"], **SOON}},
    ) as stub:
        responses = await reply(stub)
    assert tried(responses) == [("one", "cancelled"), ("other", "ok")]
    assert len(upstream.exchanges) == 1


async def test_each_request_earns_its_share_of_a_hedge(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([SLOW, SLOW, SLOW])
    async with serve_both(route=SOON, hedging={"share": 1.0}) as stub:
        for _ in range(3):
            assert tried(await reply(stub)) == [
                ("first", "cancelled"),
                ("second", "ok"),
            ]


async def test_a_hedge_that_nobody_can_afford_is_not_made(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(Answer([Step.WAIT, Step.BREAK]))
    before = hedges("refused")
    limits = {"hedge": 0.01, "first_token_timeout": 0.2}
    async with serve_both(route=limits, hedging={"share": 0.0}) as stub:
        responses = await reply(stub)
    assert tried(responses) == [("first", "timeout"), ("second", "ok")]
    assert hedges("refused") == before + 1
