"""An upstream that does not answer costs no reply, as long as another one does."""

from typing import Any

import grpc
import pytest

from antiphon.v1 import llm_pb2
from services.runtime.errors import Full, InvalidArgument
from tests.fakes import upstream as fake
from tests.fakes.running_llm import (
    Serve,
    asking,
    failure,
    left,
    message,
    reply,
    text_of,
    tried,
)
from tests.fakes.upstream import Answer, ScriptedUpstream, Step, chunk, refuses

NOWHERE = {"base_url": "http://127.0.0.1:1/v1"}
THOUGHTS = [chunk(reasoning="hm"), chunk(reasoning_content="hm")]
ALONE = {"upstreams": ["first", "second"], "hedge": False}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refuses(401, "no"), "unauthorized"),
        (refuses(404, "no"), "not_found"),
        (refuses(429, "slow", Retry_After="7"), "rate_limited"),
        (refuses(500, "boom"), "upstream_error"),
        (Answer([fake.event({"error": {"message": "boom"}})]), "upstream_error"),
        (Answer([b"<html>hello</html>"]), "bad_response"),
        (Answer([chunk(role="assistant"), Step.BREAK]), "upstream_error"),
        (Answer([*THOUGHTS, Step.BREAK]), "upstream_error"),
        (Answer([*THOUGHTS, chunk("stop"), fake.DONE]), "empty"),
        (Answer([chunk(content="<think>hm"), chunk("length"), fake.DONE]), "empty"),
        (Answer([chunk(content=None), chunk("stop"), fake.DONE]), "empty"),
        (Answer([chunk(content=" \n"), chunk("stop"), fake.DONE]), "empty"),
        (refuses(400, {"message": "?", "param": "seed"}), "bad_request"),
        (refuses(400, {"message": "?", "param": "model"}), "bad_request"),
    ],
)
async def test_whatever_goes_wrong_before_the_first_word_is_made_good_by_the_next_upstream(
    serve_both: Serve,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    answer: Answer,
    outcome: str,
) -> None:
    upstream.answers.append(answer)
    async with serve_both() as stub:
        responses = await reply(stub)
    assert text_of(responses) == "Hello there."
    assert tried(responses) == [("first", outcome), ("second", "ok")]
    summary = responses[-1].summary
    assert (summary.upstream, len(second.exchanges)) == ("second", 1)


async def test_an_upstream_that_nobody_answers_at_is_passed_by(
    serve_both: Serve,
) -> None:
    async with serve_both(first=NOWHERE) as stub:
        responses = await reply(stub)
    assert tried(responses) == [("first", "unreachable"), ("second", "ok")]


@pytest.mark.parametrize("steps", [[Step.WAIT], [*THOUGHTS, Step.WAIT]])
async def test_a_silent_upstream_leaves_time_for_the_next_within_the_deadline(
    serve_both: Serve, upstream: ScriptedUpstream, steps: list[bytes | Step]
) -> None:
    upstream.answers.append(Answer(steps))
    async with serve_both(route=ALONE) as stub:
        responses = await reply(stub, timeout=2.0)
        await left(upstream.exchanges[0])
    assert tried(responses) == [("first", "timeout"), ("second", "ok")]


async def test_a_route_may_bear_less_than_its_upstreams(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(Answer([Step.WAIT]))
    async with serve_both(route={**ALONE, "first_token_timeout": 0.1}) as stub:
        responses = await reply(stub)
    assert tried(responses) == [("first", "timeout"), ("second", "ok")]


@pytest.mark.parametrize(
    "begun",
    [
        chunk(content="a"),
        fake.event(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f"}}]},
                        "finish_reason": "tool_calls",
                    }
                ]
            }
        ),
    ],
)  # fmt: skip
async def test_nothing_is_asked_again_once_something_was_passed_on(
    serve_both: Serve,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    begun: bytes,
) -> None:
    after = [] if b"tool" in begun else [Step.BREAK]
    upstream.answers.append(Answer([begun, *after]))
    async with serve_both(first={"tools": True}) as stub:
        call = stub.Generate(asking())
        assert (await call.read()).WhichOneof("message") in ("text", "tool_call")
        if after:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        else:
            assert (await call.read()).summary.upstream == "first"
    assert second.exchanges == []


async def test_a_reply_that_was_held_back_is_not_asked_for_elsewhere(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(Answer([chunk("content_filter"), fake.DONE]))
    async with serve_both() as stub:
        (summary,) = await reply(stub)
    assert summary.summary.finish_reason == llm_pb2.FINISH_REASON_CONTENT_FILTER
    assert second.exchanges == []


async def test_a_callers_bad_request_is_refused_once_and_leaves_the_upstream_as_it_is(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    async with serve_both(circuit={"failures": 1}) as stub:
        for _ in range(2):
            upstream.answers.append(refuses(400, {"message": "context too long"}))
            assert isinstance(await failure(stub), InvalidArgument)
        assert tried(await reply(stub)) == [("first", "ok")]
    assert second.exchanges == []


async def test_what_only_one_upstream_does_not_support_leaves_it_as_it_is(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(refuses(400, {"message": "no", "param": "stop"}))
    async with serve_both(circuit={"failures": 1}) as stub:
        assert len(tried(await reply(stub))) == 2
        assert tried(await reply(stub)) == [("first", "ok")]


@pytest.mark.parametrize(
    ("one", "two", "code", "says_what"),
    [
        (refuses(429, "slow", Retry_After="7"), refuses(429, "full", Retry_After="3"), "RESOURCE_EXHAUSTED", ("slow", "full")),
        (refuses(401, "key"), refuses(404, "gone"), "FAILED_PRECONDITION", ("key", "gone")),
        (refuses(401, "key"), refuses(500, "boom"), "UNAVAILABLE", ("key", "boom")),
        (refuses(429, "slow"), refuses(503, "boom"), "UNAVAILABLE", ("slow", "boom")),
        (Answer([Step.WAIT]), Answer([Step.WAIT]), "DEADLINE_EXCEEDED", ("first", "second")),
    ],
)  # fmt: skip
async def test_when_all_fail_the_error_is_theirs_with_all_reasons(
    serve_both: Serve,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    one: Answer,
    two: Answer,
    code: str,
    says_what: tuple[str, str],
) -> None:
    upstream.answers.append(one)
    second.answers.append(two)
    async with serve_both(route={**ALONE, "first_token_timeout": 0.1}) as stub:
        error = await failure(stub)
    assert error.code.name == code
    assert all(word in error.message for word in says_what)
    if isinstance(error, Full):
        assert error.retry_after == 3


async def test_the_first_upstream_gets_the_routes_parameters_where_the_request_has_none(
    serve_both: Serve, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.answers.append(refuses(500, "no"))
    route: dict[str, Any] = {
        "temperature": 0.3,
        "max_tokens": 64,
        "extra_body": {"reasoning_effort": "none", "b": 2},
    }
    own = {"extra_body": {"b": 1, "c": 3}}
    async with serve_both(route=route, first=own) as stub:
        await reply(stub, asking(sampling=llm_pb2.Sampling(max_tokens=5)))
    wanted = {"temperature": 0.3, "max_tokens": 5, "reasoning_effort": "none", "b": 2}
    for body in (upstream.exchanges[0].body, second.exchanges[0].body):
        assert body.items() >= wanted.items()
    assert upstream.exchanges[0].body["c"] == 3
    assert "c" not in second.exchanges[0].body


async def test_an_upstream_that_cannot_take_the_prompt_is_not_asked(
    serve_both: Serve, upstream: ScriptedUpstream
) -> None:
    picture = llm_pb2.Image(data=b"x", media_type="image/png")
    looking = message("What is this?")
    looking.content.append(llm_pb2.ContentPart(image=picture))
    tools = [llm_pb2.Tool(name="f")]
    async with serve_both(first={"tools": True}, behind={"images": True}) as stub:
        assert tried(await reply(stub, asking(messages=[looking]))) == [("second", "ok")]  # fmt: skip
        assert tried(await reply(stub, asking(tools=tools))) == [("first", "ok")]
        error = await failure(stub, asking(messages=[looking], tools=tools))
    assert isinstance(error, InvalidArgument)


async def test_describe_tells_the_order_and_the_smallest_context(
    serve_both: Serve,
) -> None:
    async with serve_both(
        first={"context_tokens": 131072, "images": True, "model": "big"},
        behind={"context_tokens": 2048, "tools": True, "slots": 2},
        max_streams=2,
    ) as stub:
        described = await stub.Describe(llm_pb2.LanguageModelDescribeRequest())
    assert list(described.models) == [
        llm_pb2.ModelAlias(
            name="default",
            upstreams=["first", "second"],
            model="big",
            images=True,
            tools=True,
            context_tokens=2048,
        )
    ]
    assert described.prepare
