import asyncio
import base64
import json

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, NotFoundError
from pydantic import ValidationError

from antiphon.v1 import llm_pb2
from gateway.fronts.openai.chat_request import ChatRequest
from services.runtime.errors import EngineError, Full, InvalidArgument
from tests.contract.openai.conftest import Running, start
from tests.fakes.stages import Script

USER = {"role": "user", "content": "Hello"}
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
    },
}
CALL = llm_pb2.ToolCall(id="call_1", name="look_up", arguments_json='{"what": "it"}')
PNG = base64.b64encode(b"\x89PNG").decode()


async def refused(running: Running, data: bytes | None = None, **body: object) -> dict:
    sent = {"data": data} if data is not None else {"json": body}
    async with running.http.post("/v1/chat/completions", **sent) as response:
        assert response.content_type == "application/json"
        error = (await response.json())["error"]
        return {"status": response.status, "headers": response.headers, **error}


async def stream(client: AsyncOpenAI, **more: object) -> list:
    chunks = await client.chat.completions.create(
        model="gpt-4o", messages=[USER], stream=True, **more
    )
    return [chunk async for chunk in chunks]


async def test_a_prompt_is_answered(running: Running) -> None:
    answer = await running.openai.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "developer", "content": "Be brief."}, USER],
        temperature=0.5,
        top_p=0.9,
        max_completion_tokens=50,
        seed=7,
        stop=["END"],
    )
    [choice] = answer.choices
    assert choice.message.content == "You said: Hello."
    assert choice.finish_reason == "stop"
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)
    [request] = running.script.requests
    assert request.model == "default"
    assert [message.role for message in request.messages] == [
        llm_pb2.ROLE_SYSTEM,
        llm_pb2.ROLE_USER,
    ]
    sampling = request.sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.seed) == (0.5, 50, 7)
    assert list(sampling.stop) == ["END"]


async def test_what_is_not_asked_for_is_left_to_the_model(running: Running) -> None:
    await running.openai.chat.completions.create(model="default", messages=[USER])
    [request] = running.script.requests
    assert not request.sampling.ListFields()
    assert not request.HasField("tool_choice")
    assert not request.HasField("turn")


async def test_a_streamed_answer_comes_piece_by_piece(running: Running) -> None:
    chunks = await stream(running.openai)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert [delta.content for delta in deltas] == ["", "You said: ", "Hello", ".", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 4 + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


async def test_tokens_are_counted_behind_a_stream_where_that_is_asked_for(
    running: Running,
) -> None:
    chunks = await stream(running.openai, stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 10
    assert chunks[-2].usage is None


async def test_a_stream_ends_with_openais_mark(running: Running) -> None:
    request = {"messages": [USER], "stream": True}
    async with running.http.post("/v1/chat/completions", json=request) as response:
        assert response.content_type == "text/event-stream"
        assert (await response.text()).endswith("data: [DONE]\n\n")


async def test_a_tool_is_called_and_its_result_read() -> None:
    script = Script(write=lambda _request: [CALL])
    async with start(script) as running:
        answer = await running.openai.chat.completions.create(
            model="gpt-4o", messages=[USER], tools=[TOOL], tool_choice="required"
        )
        [choice] = answer.choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        [call] = choice.message.tool_calls
        assert (call.id, call.function.name) == ("call_1", "look_up")
        assert json.loads(call.function.arguments) == {"what": "it"}

        script.write = lambda _request: ["Found."]
        again = await running.openai.chat.completions.create(
            model="gpt-4o",
            # As clients do it: the message goes back as it came.
            messages=[
                USER,
                choice.message.model_dump(),
                {"role": "tool", "tool_call_id": call.id, "content": "42"},
            ],
            tools=[TOOL],
            tool_choice={"type": "function", "function": {"name": "look_up"}},
        )
    assert again.choices[0].message.content == "Found."
    first, second = script.requests
    assert first.tool_choice.mode == llm_pb2.TOOL_CHOICE_MODE_REQUIRED
    assert json.loads(first.tools[0].parameters_json)["type"] == "object"
    assert second.tool_choice.tool == "look_up"
    _, called, result = second.messages
    assert list(called.tool_calls) == [CALL]
    assert not called.content
    assert (result.role, result.tool_call_id) == (llm_pb2.ROLE_TOOL, "call_1")
    assert result.content[0].text == "42"


async def test_streamed_tool_calls_are_counted() -> None:
    other = llm_pb2.ToolCall(id="call_2", name="look_up", arguments_json="{}")
    async with start(Script(write=lambda _request: ["Hm.", CALL, other])) as running:
        chunks = await stream(running.openai, tools=[TOOL])
    calls = [
        call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()
    ]
    assert [(call.index, call.id) for call in calls] == [(0, "call_1"), (1, "call_2")]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_a_tool_that_gave_nothing_back_gave_null(running: Running) -> None:
    called = {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "1",
                "type": "function",
                "function": {"name": "look_up", "arguments": "{}"},
            }
        ],
    }
    result = {"role": "tool", "tool_call_id": "1", "content": ""}
    await running.openai.chat.completions.create(
        model="gpt-4o", messages=[USER, called, result]
    )
    [request] = running.script.requests
    assert request.messages[-1].content[0].text == "null"


async def test_pictures_come_as_data_urls() -> None:
    async with start(Script(images=True)) as running:
        url = f"data:image/png;base64,{PNG}"
        await running.openai.chat.completions.create(
            model="gpt-4o",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is that?"},
                        {"type": "image_url", "image_url": {"url": url}},
                    ],
                }
            ],
        )
    [request] = running.script.requests
    text, image = request.messages[0].content
    assert text.text == "What is that?"
    assert (image.image.media_type, image.image.data) == ("image/png", b"\x89PNG")


async def test_prompts_with_one_key_share_a_cache(running: Running) -> None:
    for key in ("one", "one", "two"):
        await running.openai.chat.completions.create(
            model="gpt-4o", messages=[USER], prompt_cache_key=key
        )
    first, second, third = (r.turn.conversation_id for r in running.script.requests)
    assert first == second != third


async def test_a_model_that_nobody_knows_is_not_found(running: Running) -> None:
    with pytest.raises(NotFoundError, match="default") as found:
        await running.openai.chat.completions.create(model="llama", messages=[USER])
    assert (found.value.code, found.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("messages", [], "messages"),
        ("messages", "Hello", "messages"),
        ("messages", [{"role": "user"}], "messages[0].content"),
        ("messages", [{"role": "narrator", "content": "x"}], "messages[0].role"),
        ("messages", [{"content": "x"}], "messages[0].role"),
        ("messages", [{"role": "user", "content": 7}], "messages[0].content"),
        (
            "messages",
            [{"role": "user", "content": [{"type": "text"}]}],
            "messages[0].content[0].text",
        ),
        (
            "messages",
            [{"role": "user", "content": [{"type": "input_audio"}]}],
            "messages[0].content[0].type",
        ),
        (
            "messages",
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "http://x/y.png"}}
                    ],
                }
            ],
            "messages[0].content[0].image_url.url",
        ),
        ("messages", [USER | {"name": "Peter"}], "messages[0].name"),
        ("temperature", 3, "temperature"),
        ("temperature", "hot", "temperature"),
        ("max_tokens", 0, "max_tokens"),
        ("n", 2, "n"),
        ("logprobs", True, "logprobs"),
        ("response_format", {"type": "json_object"}, "response_format.type"),
        ("modalities", ["audio"], "modalities[0]"),
        ("frequency_penalty", 0.5, "frequency_penalty"),
        ("reasoning_effort", "high", "reasoning_effort"),
        ("parallel_tool_calls", False, "parallel_tool_calls"),
        ("stop", ["a", "b", "c", "d", "e"], "stop"),
        ("tool_choice", "sometimes", "tool_choice"),
        ("tools", [{"type": "web_search"}], "tools[0].type"),
        (
            "tools",
            [{"type": "function", "function": {"name": "f", "strict": True}}],
            "tools[0].function.strict",
        ),
        ("colour", "blue", "colour"),
    ],
)
async def test_what_the_contract_has_no_word_for_is_refused_by_name(
    running: Running, field: str, value: object, param: str
) -> None:
    error = await refused(running, **{"messages": [USER], field: value})
    assert (error["status"], error["param"]) == (400, param)
    assert running.script.requests == []


async def test_fields_that_ask_for_what_happens_anyhow_are_taken(
    running: Running,
) -> None:
    answer = await running.openai.chat.completions.create(
        model="gpt-4o",
        messages=[USER],
        n=1,
        logprobs=False,
        presence_penalty=0,
        response_format={"type": "text"},
        user="peter",
        stop=None,
    )
    assert answer.choices[0].message.content == "You said: Hello."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"NaN",
        b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    ],
)
async def test_garbage_is_refused(running: Running, data: bytes) -> None:
    error = await refused(running, data)
    assert (error["status"], error["type"]) == (400, "invalid_request_error")


async def test_a_schema_that_is_nested_deeply_does_no_harm(running: Running) -> None:
    schema: dict = {}
    for _ in range(900):
        schema = {"items": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    async with running.http.post(
        "/v1/chat/completions", json={"messages": [USER], "tools": [tool]}
    ) as response:
        assert response.status in (200, 400)
    assert (await running.openai.models.list()).data


async def test_a_body_that_is_too_large_is_refused(running: Running) -> None:
    error = await refused(running, b" " * (17 * 1024 * 1024))
    assert (error["status"], error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    "data",
    [
        b'{"messages": [' + b"0," * 20_000 + b"0]}",
        b"[" + b"[]," * 200_000 + b"0]",
        b"{" + b",".join(b'"%d": 0' % number for number in range(1_001)) + b"}",
        json.dumps({"messages": [USER] * 7_000}).encode(),
    ],
)
async def test_a_body_of_too_many_values_is_refused_before_they_are_looked_at(
    running: Running, data: bytes
) -> None:
    error = await refused(running, data)
    assert (error["status"], error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("field", ["messages", "tools"])
def test_of_many_wrong_values_one_is_told(field: str) -> None:
    # An error takes some microseconds each, in which no conversation goes on.
    fields = {"messages": [USER], field: [0] * 1_000}
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate(fields)
    assert caught.value.error_count() == 1


async def test_what_the_stage_refuses_is_told_with_its_field() -> None:
    def refuse(_request: llm_pb2.GenerateRequest) -> list:
        raise InvalidArgument("sampling.stop", "is empty", "texts")

    async with start(Script(write=refuse)) as running:
        with pytest.raises(BadRequestError) as refusal:
            await stream(running.openai)
    assert refusal.value.param == "stop"


async def test_a_model_that_is_full_says_when_to_come_back() -> None:
    async def full() -> None:
        raise Full("all slots are in use", retry_after=2.5)

    async with start(Script(before_writing=full)) as running:
        error = await refused(running, messages=[USER], stream=True)
    assert (error["status"], error["code"]) == (503, "overloaded")
    assert error["headers"]["Retry-After"] == "3"


async def test_an_answer_that_breaks_off_ends_with_an_error() -> None:
    async def fail() -> None:
        raise EngineError("the model broke")

    async with start(Script(behind_piece=fail)) as running:
        with pytest.raises(APIError, match="the model broke"):
            await stream(running.openai)
        request = {"messages": [USER], "stream": True}
        async with running.http.post("/v1/chat/completions", json=request) as response:
            assert "[DONE]" not in await response.text()


async def test_a_model_that_says_nothing_in_time_is_given_up() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async with start(Script(before_writing=never), llm_timeout=0.2) as running:
        error = await refused(running, messages=[USER])
        assert await running.script.cancelled.get() == "Generate"
    assert (error["status"], error["code"]) == (504, "timeout")


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_leaves_ends_the_generation(streamed: bool) -> None:
    writing = asyncio.Event()

    async def never() -> None:
        writing.set()
        await asyncio.Event().wait()

    async with start(Script(behind_piece=never)) as running:
        request = {"messages": [USER], "stream": streamed}
        post = running.http.post("/v1/chat/completions", json=request)
        task = asyncio.ensure_future(post)
        await writing.wait()
        if streamed:
            (await task).close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await running.script.cancelled.get() == "Generate"
