"""Whatever goes wrong is one of the contract's errors, and the next client is served."""

import grpc
import pytest

from services.runtime.errors import Full, InvalidArgument
from tests.fakes import upstream as fake
from tests.fakes.running_llm import (
    Serve,
    asking,
    attempts,
    failure,
    left,
    reply,
    running_proxy,
    text_of,
)
from tests.fakes.upstream import ScriptedUpstream, Step, chunk

LEFT_ALONE = "RESOURCE_EXHAUSTED"
"""Who says so has said that asking again is no use yet."""
CONTEXT = {"message": "exceeds the available context size", "code": 400}


@pytest.mark.parametrize(
    ("answer", "code", "outcome", "says_what"),
    [
        (fake.refuses(401, {"message": "no"}), "FAILED_PRECONDITION", "unauthorized", "$KEY"),
        (fake.refuses(403, "no"), "FAILED_PRECONDITION", "unauthorized", "$KEY"),
        (fake.refuses(404, {"message": "no model"}), "FAILED_PRECONDITION", "not_found", "m-1"),
        (fake.refuses(400, CONTEXT), "INVALID_ARGUMENT", "bad_request", "context"),
        (fake.refuses(422, b"[1]"), "INVALID_ARGUMENT", "bad_request", "refused"),
        (fake.refuses(400, {"message": "?", "param": "prediction"}), "FAILED_PRECONDITION", "bad_request", "prediction"),
        (fake.refuses(429, "slow", Retry_After="7"), "RESOURCE_EXHAUSTED", "rate_limited", "slow"),
        (fake.refuses(500, b"<html>"), "UNAVAILABLE", "upstream_error", "500"),
        (fake.refuses(503, {"message": "loading"}), "UNAVAILABLE", "upstream_error", "loading"),
        (fake.refuses(301, b"", Location="https://else.where/"), "FAILED_PRECONDITION", "not_found", "else.where"),
        (fake.Answer([b"data: {not json\n\n"]), "UNAVAILABLE", "bad_response", "no chunk"),
        (fake.Answer([b"data: [1]\n\n"]), "UNAVAILABLE", "bad_response", "no chunk"),
        (fake.Answer([fake.event({"choices": ["x"]})]), "UNAVAILABLE", "bad_response", "no chunk"),
        (fake.Answer([b"<html>hello</html>"]), "UNAVAILABLE", "bad_response", "middle"),
        (fake.Answer([chunk(content="a"), fake.DONE]), "UNAVAILABLE", "bad_response", "middle"),
        (fake.Answer([fake.event({"error": {"message": "boom"}})]), "UNAVAILABLE", "upstream_error", "boom"),
        (fake.Answer([fake.event({"error": CONTEXT})]), "INVALID_ARGUMENT", "bad_request", "context"),
        (fake.Answer([chunk(content="a"), Step.BREAK]), "UNAVAILABLE", "upstream_error", "broke off"),
    ],
)  # fmt: skip
async def test_each_failure_of_the_upstream_is_its_own_error_and_the_next_client_is_served_if_that_is_any_use(
    serve: Serve,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    answer: fake.Answer,
    code: str,
    outcome: str,
    says_what: str,
) -> None:
    monkeypatch.setenv("KEY", "k")
    upstream.answers.append(answer)
    before = attempts(outcome)
    async with serve(
        model="m-1", api_key_variable="KEY", extra_body={"prediction": 1}
    ) as stub:
        error = await failure(stub)
        assert (error.code.name, attempts(outcome)) == (code, before + 1)
        assert says_what in error.message
        if code != LEFT_ALONE:
            assert text_of(await reply(stub)) == "Hello there."
            return
        again = await failure(stub)
        assert (again.code.name, len(upstream.exchanges)) == (code, 1)
        # What it said to one may repeat their words, and is for nobody else.
        assert says_what not in again.message
        assert "it rests for another" in again.message


async def test_a_rate_limit_says_when_to_come_back(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(429, "slow", Retry_After="7"))
    async with serve() as stub:
        error = await failure(stub)
    assert isinstance(error, Full)
    assert error.retry_after == 7


async def test_a_prompt_too_long_for_the_model_names_the_messages(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(400, CONTEXT))
    async with serve() as stub:
        error = await failure(stub)
    assert isinstance(error, InvalidArgument)
    assert error.field == "messages"


@pytest.mark.parametrize(
    ("steps", "limits"),
    [
        ([Step.WAIT], {"first_token_timeout": 0.1}),
        ([chunk(role="assistant"), Step.WAIT], {"first_token_timeout": 0.1}),
        ([chunk(content="a"), Step.WAIT], {"between_tokens_timeout": 0.1}),
    ],
)
async def test_an_upstream_that_hangs_is_left_after_its_timeout(
    serve: Serve,
    upstream: ScriptedUpstream,
    steps: list[bytes | Step],
    limits: dict[str, float],
) -> None:
    upstream.answers.append(fake.Answer(steps))
    async with serve(**limits) as stub:
        error = await failure(stub)
        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        await left(upstream.exchanges[0])


async def test_the_deadline_of_the_rpc_ends_the_work_upstream(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.WAIT]))
    async with serve() as stub:
        error = await failure(stub, timeout=0.5)
        assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
        await left(upstream.exchanges[0])


async def test_a_server_that_closes_a_new_connection_too_has_failed(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.extend([fake.BREAK, fake.BREAK])
    async with serve() as stub:
        error = await failure(stub)
        assert error.code is grpc.StatusCode.UNAVAILABLE
        assert text_of(await reply(stub)) == "Hello there."


async def test_an_upstream_that_is_down_is_served_without_and_named(
    serve: Serve,
) -> None:
    async with serve(base_url="http://127.0.0.1:1/v1", start_hint="start it") as stub:
        error = await failure(stub)
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert "start it" in error.message


async def test_what_the_contract_does_not_allow_never_reaches_the_upstream(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    async with serve() as stub:
        error = await failure(stub, asking(model="other"))
        assert isinstance(error, InvalidArgument)
        assert error.field == "model"
        assert "default" in error.problem
        error = await failure(stub, asking(messages=[]))
        assert isinstance(error, InvalidArgument)
        assert error.field == "messages"
    assert upstream.exchanges == []


async def test_a_full_replica_says_so_at_once(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.Answer([chunk(content="a"), Step.WAIT]))
    async with serve(max_streams=1) as stub:
        call = stub.Generate(asking())
        await call.read()
        assert isinstance(await failure(stub), Full)
        call.cancel()


async def test_a_proxy_that_still_starts_is_unavailable() -> None:
    settings = {"name": "x", "base_url": "http://127.0.0.1:1/v1"}
    async with running_proxy(settings, started=False) as stub:
        assert (await failure(stub)).code is grpc.StatusCode.UNAVAILABLE
