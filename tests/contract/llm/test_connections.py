"""Connections to the upstream: closed when nobody waits, kept otherwise, and what travels on them."""

import asyncio

import pytest

from tests.fakes import upstream as fake
from tests.fakes.running_llm import (
    Serve,
    asking,
    attempts,
    failure,
    left,
    reply,
    text_of,
)
from tests.fakes.upstream import ScriptedUpstream, Step, chunk, says


async def test_a_finished_reply_does_not_wait_for_a_server_that_holds_the_stream_open(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(
        fake.Answer([chunk(content="Yes."), chunk("stop"), Step.WAIT])
    )
    async with serve() as stub:
        responses = await reply(stub)
    assert text_of(responses) == "Yes."
    assert responses[-1].HasField("summary")


async def test_cancelling_closes_the_upstream_stream(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.WAIT]))
    before = attempts("cancelled")
    async with serve() as stub:
        call = stub.Generate(asking())
        await call.read()
        call.cancel()
        await left(await upstream.exchange(1))
        assert text_of(await reply(stub)) == "Hello there."
    assert attempts("cancelled") == before + 1


async def test_cancelling_before_the_first_token_closes_the_upstream_stream(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([Step.WAIT]))
    async with serve() as stub:
        call = stub.Generate(asking())
        reading = asyncio.ensure_future(call.read())
        exchange = await upstream.exchange(1)
        call.cancel()
        await left(exchange)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_connections_are_used_again_also_after_a_refusal(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([says("a"), fake.refuses(500, "no"), says("b")])
    async with serve() as stub:
        await reply(stub)
        await failure(stub)
        await reply(stub)
    assert upstream.model_requests == 1
    assert len({exchange.connection for exchange in upstream.exchanges}) == 1


async def test_a_kept_connection_that_the_server_closed_costs_no_reply(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([says("a"), fake.BREAK, says("b")])
    async with serve() as stub:
        await reply(stub)
        assert text_of(await reply(stub)) == "b"
    assert len(upstream.exchanges) == 3


async def test_the_key_goes_to_the_upstream_and_nowhere_else(
    serve: Serve,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("KEY", "very-secret")
    upstream.answers.append(fake.refuses(401, {"message": "no"}))
    async with serve(api_key_variable="KEY") as stub:
        error = await failure(stub)
    assert upstream.exchanges[0].headers["authorization"] == "Bearer very-secret"
    assert "very-secret" not in error.message + caplog.text


async def test_a_hugging_face_token_of_this_machine_is_not_sent_to_others(
    serve: Serve, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_private")
    async with serve() as stub:
        await reply(stub)
    assert "authorization" not in upstream.exchanges[0].headers


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("no_grpc_proxy", "127.0.0.1")
    async with serve() as stub:
        assert text_of(await reply(stub)) == "Hello there."


async def test_the_trace_goes_on_upstream(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    metadata = (("traceparent", f"00-{trace}-b7ad6b7169203331-01"),)
    async with serve() as stub:
        await reply(stub, metadata=metadata)
    assert trace in upstream.exchanges[0].headers["traceparent"]
