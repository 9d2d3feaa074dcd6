"""What the contract allows in a prompt, and what becomes of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.v1 import llm_pb2, stage_pb2
from services.llm.prompt import read_generate, read_prepare
from services.runtime.errors import InvalidArgument

PICTURE = llm_pb2.Image(data=b"\x89PNG", media_type="image/png")
CALL = llm_pb2.ToolCall(id="c1", name="time", arguments_json='{"zone": "CET"}')


def message(
    *parts: str | llm_pb2.Image, role: Any = llm_pb2.ROLE_USER, **fields: Any
) -> llm_pb2.Message:
    content = [
        llm_pb2.ContentPart(text=part)
        if isinstance(part, str)
        else llm_pb2.ContentPart(image=part)
        for part in parts
    ]
    return llm_pb2.Message(role=role, content=content, **fields)


def request(
    *messages: llm_pb2.Message, conversation: str = "", **fields: Any
) -> llm_pb2.GenerateRequest:
    return llm_pb2.GenerateRequest(
        turn=stage_pb2.TurnRef(conversation_id=conversation),
        messages=messages or [message("Hello?")],
        **fields,
    )


def tool(name: str = "time", parameters: str = "") -> llm_pb2.Tool:
    return llm_pb2.Tool(name=name, description="d", parameters_json=parameters)


def choice(**kind: Any) -> llm_pb2.ToolChoice:
    return llm_pb2.ToolChoice(**kind)


def test_a_conversation_with_a_tool_call_becomes_chat_messages() -> None:
    prompt = read_generate(
        request(
            message("Be brief.", role=llm_pb2.ROLE_SYSTEM),
            message("What ", "time is it?"),
            message(role=llm_pb2.ROLE_ASSISTANT, tool_calls=[CALL]),
            message("noon", role=llm_pb2.ROLE_TOOL, tool_call_id="c1"),
            conversation="c-1",
        ),
        images=False,
        tools=False,
    )
    assert prompt.conversation == "c-1"
    function = {"name": "time", "arguments": '{"zone": "CET"}'}
    assert prompt.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "c1"},
    ]


def test_a_picture_becomes_a_data_url_beside_the_text() -> None:
    prompt = read_generate(
        request(message("What is this?", PICTURE)), images=True, tools=False
    )
    assert prompt.messages[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    prompt = read_generate(request(tools=[tool()]), images=False, tools=True)
    assert prompt.tools[0]["function"]["parameters"] == {
        "type": "object",
        "properties": {},
    }


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, "auto"),
        (choice(mode=llm_pb2.TOOL_CHOICE_MODE_UNSPECIFIED), "auto"),
        (choice(mode=llm_pb2.TOOL_CHOICE_MODE_NONE), "none"),
        (choice(mode=llm_pb2.TOOL_CHOICE_MODE_REQUIRED), "required"),
        (choice(tool="time"), {"type": "function", "function": {"name": "time"}}),
    ],
)
def test_tool_choices_are_passed_on(
    chosen: llm_pb2.ToolChoice | None, expected: object
) -> None:
    prompt = read_generate(
        request(tools=[tool()], tool_choice=chosen), images=False, tools=True
    )
    assert prompt.tool_choice == expected


def test_no_tool_choice_is_sent_without_tools() -> None:
    assert read_generate(request(), images=True, tools=True).tool_choice is None


TOO_LARGE = llm_pb2.Image(data=bytes(3 * 1024 * 1024 + 1), media_type="image/png")
ASSISTANT = llm_pb2.ROLE_ASSISTANT
AUTO = choice(mode=llm_pb2.TOOL_CHOICE_MODE_REQUIRED)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (llm_pb2.GenerateRequest(), "messages"),
        (request(conversation="a b"), "turn.conversation_id"),
        (request(conversation="a" * 129), "turn.conversation_id"),
        (request(message("x", role=0)), "messages[0].role"),
        (request(message("x", role=99)), "messages[0].role"),
        (request(message("x"), message("y", role=ASSISTANT)), "messages[1].role"),
        (request(message()), "messages[0].content"),
        (request(message(role=ASSISTANT), message("x")), "messages[0].content"),
        (request(llm_pb2.Message(role=2, content=[llm_pb2.ContentPart()])), "messages[0].content[0]"),
        (request(message("x", PICTURE, TOO_LARGE)), "messages[0].content[2].image.data"),
        (request(message(llm_pb2.Image(media_type="image/png"))), "messages[0].content[0].image.data"),
        (request(message(llm_pb2.Image(data=b"x", media_type="image/gif"))), "messages[0].content[0].image.media_type"),
        (request(message("x", tool_calls=[CALL])), "messages[0].tool_calls"),
        (request(message(role=ASSISTANT, tool_calls=[llm_pb2.ToolCall(name="f")]), message("x")), "messages[0].tool_calls[0].id"),
        (request(message(role=ASSISTANT, tool_calls=[llm_pb2.ToolCall(id="f")]), message("x")), "messages[0].tool_calls[0].name"),
        (request(message("x", role=llm_pb2.ROLE_TOOL)), "messages[0].tool_call_id"),
        (request(message("x", tool_call_id="c1")), "messages[0].tool_call_id"),
        (request(tools=[tool(str(n)) for n in range(129)]), "tools"),
        (request(tools=[tool("a b")]), "tools[0].name"),
        (request(tools=[tool("")]), "tools[0].name"),
        (request(tools=[tool("a" * 65)]), "tools[0].name"),
        (request(tools=[tool(), tool()]), "tools[1].name"),
        (request(tools=[tool(parameters="{")]), "tools[0].parameters_json"),
        (request(tools=[tool(parameters="[" * 100_000)]), "tools[0].parameters_json"),
        (request(tools=[tool(parameters="[]")]), "tools[0].parameters_json"),
        (request(tools=[tool()], tool_choice=choice(tool="x")), "tool_choice.tool"),
        (request(tools=[tool()], tool_choice=choice(mode=9)), "tool_choice.mode"),
        (request(tools=[tool()], tool_choice=choice()), "tool_choice"),
        (request(tool_choice=AUTO), "tool_choice.mode"),
        (request(sampling=llm_pb2.Sampling(temperature=2.1)), "sampling.temperature"),
        (request(sampling=llm_pb2.Sampling(temperature=float("nan"))), "sampling.temperature"),
        (request(sampling=llm_pb2.Sampling(top_p=0)), "sampling.top_p"),
        (request(sampling=llm_pb2.Sampling(top_p=1.5)), "sampling.top_p"),
        (request(sampling=llm_pb2.Sampling(max_tokens=0)), "sampling.max_tokens"),
        (request(sampling=llm_pb2.Sampling(stop=list("abcde"))), "sampling.stop"),
        (request(sampling=llm_pb2.Sampling(stop=[""])), "sampling.stop"),
    ],
)  # fmt: skip
def test_what_the_contract_does_not_allow_is_refused_by_the_name_of_its_field(
    asked: llm_pb2.GenerateRequest, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_generate(asked, images=True, tools=True)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (request(message(PICTURE)), "messages[0].content[0].image"),
        (request(tools=[tool()]), "tools"),
    ],
)
def test_what_the_model_cannot_do_is_refused(
    asked: llm_pb2.GenerateRequest, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read_generate(asked, images=False, tools=False)
    assert caught.value.field == field


def test_a_beginning_may_end_with_any_message() -> None:
    system = message("Be brief.", role=llm_pb2.ROLE_SYSTEM)
    asked = llm_pb2.PrepareRequest(messages=[system], tools=[tool()])
    prompt = read_prepare(asked, images=False, tools=True)
    assert [m["role"] for m in prompt.messages] == ["system"]
    assert len(prompt.tools) == 1


@given(st.floats(0, 2, width=32))
def test_sampling_numbers_stay_within_a_millionth_and_within_their_range(
    temperature: float,
) -> None:
    sampling = llm_pb2.Sampling(temperature=temperature)
    prompt = read_generate(request(sampling=sampling), images=False, tools=False)
    sent = json.loads(json.dumps(prompt.sampling))["temperature"]
    assert sent == pytest.approx(temperature, rel=1e-6)
    assert 0 <= sent <= 2
