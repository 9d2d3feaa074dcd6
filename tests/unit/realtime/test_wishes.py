import json
from typing import Any

import pytest

from antiphon.v1 import llm_pb2
from gateway.conversation.values import (
    Item,
    Speaker,
    Wish,
)
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.formats import AudioFormatSpec
from gateway.fronts.realtime.new_items import InputItem
from gateway.fronts.realtime.schema import ResponseCreate, parse
from gateway.fronts.realtime.wishes import (
    output_format,
    response_session,
    to_wish,
)
from gateway.options import Options
from tests.unit.realtime.stages import (
    SETTINGS,
    able,
    session,
)


def response(**fields: Any) -> ResponseCreate:
    event = parse(json.dumps({"type": "response.create", "response": fields}))
    assert isinstance(event, ResponseCreate)
    return event


def item_of(item: InputItem, param: str) -> Item:
    return Item(item.id or param, Speaker.USER)


def wish(
    event: ResponseCreate, asked: RealtimeSession | None = None
) -> tuple[Wish, Options | None]:
    asked = asked or RealtimeSession()
    return to_wish(event, 3, asked, SETTINGS, able(), item_of)


def test_a_response_that_says_nothing_is_as_the_session() -> None:
    assert wish(ResponseCreate(type="response.create")) == (Wish(3), None)
    assert wish(response()) == (Wish(3), None)


def test_a_response_has_its_own_instructions_modality_and_items() -> None:
    made, own = wish(
        response(
            instructions="Whisper.",
            output_modalities=["text"],
            input=[
                {"type": "item_reference", "id": "a"},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "x"}],
                },
            ],
        )
    )
    assert made.instructions == "Whisper."
    assert made.spoken is False
    assert made.items is not None
    assert [item.id for item in made.items] == ["a", "response.input[1]"]
    assert own is None


def test_a_response_without_any_input_reads_nothing() -> None:
    assert wish(response(input=[]))[0].items == ()


def test_a_response_has_its_own_tools_tokens_voice_and_format() -> None:
    asked = session({"tools": [{"name": "f"}], "instructions": "Be kind."})
    event = response(
        tools=[{"type": "function", "name": "g"}],
        tool_choice="required",
        max_output_tokens=9,
        temperature=0.5,
        audio={"output": {"voice": "thorsten", "format": {"type": "audio/pcmu"}}},
    )
    _, own = wish(event, asked)
    assert own is not None
    assert [tool.name for tool in own.tools] == ["g"]
    assert (own.sampling.max_tokens, own.sampling.temperature) == (9, 0.5)
    assert own.tool_choice is not None
    assert own.tool_choice.mode == llm_pb2.TOOL_CHOICE_MODE_REQUIRED
    assert (own.voice, own.output_rate) == ("thorsten", 8_000)
    assert own.instructions == "Be kind."
    changed = response_session(event, asked)
    assert output_format(changed) == AudioFormatSpec("audio/pcmu", 8_000)
    assert output_format(asked).rate == 24_000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"audio": {"output": {"voice": "bob"}}}, "response.audio.output.voice"),
        ({"tool_choice": {"name": "g"}}, "response.tool_choice.name"),
        ({"tools": [{"name": ""}]}, "response.tools[0].name"),
    ],
)
def test_an_error_in_a_response_names_the_response(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(WireError) as caught:
        wish(response(**fields))
    assert caught.value.param == param
