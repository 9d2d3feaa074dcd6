"""Prompt caches: a conversation's slot, and preparing it."""

import grpc
import pytest

from antiphon.v1 import llm_pb2
from services.runtime.errors import Full
from tests.fakes import upstream as fake
from tests.fakes.running_llm import (
    Serve,
    asking,
    beginning,
    failure,
    left,
    reply,
    text_of,
)
from tests.fakes.upstream import ScriptedUpstream, Step, chunk, says


async def test_a_conversation_comes_back_to_the_slot_that_was_prepared_for_it(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    async with serve(slots=2) as stub:
        prepared = await stub.Prepare(beginning("a"))
        await reply(stub, asking("b"))
        await reply(stub, asking("a"))
        await reply(stub, asking("b"))
    assert prepared == llm_pb2.PrepareResponse(prepared=True, prompt_tokens=12)
    bodies = [exchange.body for exchange in upstream.exchanges]
    assert [body["id_slot"] for body in bodies] == [0, 1, 0, 1]
    assert [body.get("max_tokens") for body in bodies] == [0, None, None, None]
    assert all(body["cache_prompt"] for body in bodies)


async def test_without_slots_prepare_is_a_no_op(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    async with serve() as stub:
        assert await stub.Prepare(beginning()) == llm_pb2.PrepareResponse()
    assert upstream.exchanges == []


async def test_prepare_never_waits_for_a_slot_and_takes_none_from_a_reply(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.WAIT]))
    async with serve(slots=1) as stub:
        call = stub.Generate(asking("a"))
        await call.read()
        assert not (await stub.Prepare(beginning("b"))).prepared
        assert not (await stub.Prepare(beginning("a"))).prepared
        call.cancel()
    assert len(upstream.exchanges) == 1


async def test_cancelling_prepare_stops_it(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content=""), Step.WAIT]))
    async with serve(slots=1) as stub:
        call = stub.Prepare(beginning("a"))
        exchange = await upstream.exchange(1)
        call.cancel()
        await left(exchange)
        assert (await stub.Prepare(beginning("b"))).prepared


async def test_a_reply_that_comes_while_its_prompt_is_prepared_uses_the_same_slot(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([Step.WAIT, *says("x").steps]))
    async with serve(slots=2) as stub:
        preparing = stub.Prepare(beginning("a"))
        await upstream.exchange(1)
        assert text_of(await reply(stub, asking("a"))) == "Hello there."
        upstream.release()
        assert (await preparing).prepared
    assert [e.body["id_slot"] for e in upstream.exchanges] == [0, 0]


async def test_a_preparation_gives_way_to_another_conversations_reply(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content=""), Step.WAIT]))
    async with serve(slots=1) as stub:
        preparing = stub.Prepare(beginning("a"))
        exchange = await upstream.exchange(1)
        assert text_of(await reply(stub, asking("b"))) == "Hello there."
        assert not (await preparing).prepared
        await left(exchange)


async def test_a_failed_prepare_is_an_error_and_its_slot_is_free_again(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(500, "no"))
    async with serve(slots=1) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Prepare(beginning("a"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await stub.Prepare(beginning("a"))).prepared


async def test_a_reply_beyond_all_slots_is_refused_as_full(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.WAIT]))
    async with serve(slots=1) as stub:
        call = stub.Generate(asking("a"))
        await call.read()
        assert isinstance(await failure(stub, asking("b")), Full)
        call.cancel()
