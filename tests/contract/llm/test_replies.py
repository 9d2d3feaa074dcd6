"""What a reply is made of: text, tool calls, summary; and what the upstream was sent for it."""

from typing import Any

from antiphon.v1 import llm_pb2, stage_pb2
from services.runtime.units import to_seconds
from tests.fakes import upstream as fake
from tests.fakes.running_llm import Serve, asking, reply, text_of
from tests.fakes.upstream import ScriptedUpstream, Step, chunk


async def test_text_comes_delta_by_delta_and_one_summary_ends_it(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    async with serve(model="m-1") as stub:
        responses = await reply(stub)
    assert [r.WhichOneof("message") for r in responses] == ["text", "text", "summary"]
    assert text_of(responses) == "Hello there."
    summary = responses[-1].summary
    assert summary.finish_reason == llm_pb2.FINISH_REASON_STOP
    assert (summary.usage.prompt, summary.usage.cached, summary.usage.completion) == (
        12,
        7,
        3,
    )
    assert summary.upstream == "scripted"
    assert [a.outcome for a in summary.attempts] == ["ok"]
    assert summary.engine == stage_pb2.EngineInfo(
        engine="openai_compatible", model="m-1"
    )
    first = to_seconds(summary.time_to_first_token)
    assert 0 < first <= to_seconds(summary.attempts[0].duration)


async def test_a_delta_is_passed_on_while_the_upstream_still_writes(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(
        fake.Answer([chunk(content="Now"), Step.WAIT, chunk("stop"), fake.DONE])
    )
    async with serve() as stub:
        call = stub.Generate(asking())
        assert (await call.read()).text == "Now"
        upstream.release()
        assert (await call.read()).HasField("summary")


async def test_the_upstream_gets_messages_sampling_model_and_extra_fields_and_no_slot(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    sampling = llm_pb2.Sampling(temperature=0.7, max_tokens=50, seed=4, stop=["\n"])
    async with serve(model="m-1", extra_body={"reasoning_effort": "none"}) as stub:
        await reply(stub, asking("a", sampling=sampling))
    body = upstream.exchanges[0].body
    assert body.pop("stream_options") == {"include_usage": True}
    assert body == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hello?"}],
        "temperature": 0.7,
        "max_tokens": 50,
        "seed": 4,
        "stop": ["\n"],
        "stream": True,
        "reasoning_effort": "none",
    }


async def test_fragments_of_tool_calls_come_out_as_complete_calls(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    def part(index: int, arguments: str, **more: Any) -> bytes:
        name = {"name": more.pop("name")} if "name" in more else {}
        function = {"arguments": arguments, **name}
        return chunk(tool_calls=[{"index": index, "function": function, **more}])

    upstream.answers.append(
        fake.Answer(
            [
                part(0, '{"city"', id="call-1", name="weather"),
                part(1, "", name="time"),
                part(0, ': "Oslo"}'),
                part(1, "{ }"),
                chunk("tool_calls"),
                fake.DONE,
            ]
        )
    )
    tools = [llm_pb2.Tool(name="weather"), llm_pb2.Tool(name="time")]
    async with serve(tools=True) as stub:
        responses = await reply(stub, asking(tools=tools))
    calls = [r.tool_call for r in responses if r.HasField("tool_call")]
    assert [(c.name, c.arguments_json) for c in calls] == [
        ("weather", '{"city": "Oslo"}'),
        ("time", "{ }"),
    ]
    assert calls[0].id == "call-1"
    assert calls[1].id
    summary = responses[-1].summary
    assert summary.finish_reason == llm_pb2.FINISH_REASON_TOOL_CALLS
    assert upstream.exchanges[0].body["tool_choice"] == "auto"


async def test_reasoning_is_never_passed_on(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(
        fake.Answer(
            [
                chunk(reasoning="secret "),
                chunk(reasoning_content="secret "),
                *[chunk(content=c) for c in "<think>secret</think>\n\nYes."],
                chunk("stop"),
                fake.DONE,
            ]
        )
    )
    async with serve() as stub:
        assert text_of(await reply(stub)) == "Yes."


async def test_describe_lists_aliases_and_what_stands_behind_them(
    serve: Serve,
) -> None:
    async with serve(model="m-1", slots=2, images=True, max_streams=2) as stub:
        described = await stub.Describe(llm_pb2.LanguageModelDescribeRequest())
    assert described == llm_pb2.LanguageModelDescribeResponse(
        models=[
            llm_pb2.ModelAlias(
                name="default", upstreams=["scripted"], model="m-1", images=True
            )
        ],
        prepare=True,
        capacity=stage_pb2.Capacity(streams=2),
    )
