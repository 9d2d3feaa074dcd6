"""Whatever comes, it is read or refused by name."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fronts.openai.body import Body, check
from gateway.fronts.openai.chat_request import ChatRequest
from gateway.fronts.openai.decoding import Decoder
from gateway.fronts.openai.prompt import to_generate
from gateway.fronts.openai.speech import SpeechRequest
from services.runtime.errors import InvalidArgument
from tests.fakes.hearing import speech
from tests.fakes.recordings import as_file, as_wav

FILES = [
    as_wav(speech(0.5)),
    as_file(speech(0.5), "mp3", "libmp3lame"),
    as_file(speech(0.5), "ogg", "libopus"),
    as_file(speech(0.5), "flac", "flac"),
    as_file(speech(0.5), "webm", "libopus"),
    as_file(speech(0.5), "ipod", "aac"),
]
WHOLE = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AAAA"},
                }
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object"}},
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "temperature": 1,
    "stop": ["x"],
    "stream_options": {"include_usage": True},
}

numbers = st.integers() | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: object) -> list[tuple[object, object]]:
    """Every container in a JSON value with each of its keys."""
    if isinstance(value, dict):
        keys: list[object] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    inner = [place for key in keys for place in places(value[key])]  # type: ignore[index]
    return [(value, key) for key in keys] + inner


@given(data=st.data(), value=values)
def test_a_prompt_with_a_wrong_field_is_read_or_refused_by_name(
    data: st.DataObject, value: object
) -> None:
    request = json.loads(json.dumps(WHOLE))
    container, key = data.draw(st.sampled_from(places(request)))
    container[key] = value  # type: ignore[index]
    try:
        to_generate(check(ChatRequest, request), "default")
    except InvalidArgument as error:
        assert error.field


@pytest.mark.parametrize("model", [ChatRequest, SpeechRequest])
@given(value=values)
def test_any_json_is_read_or_refused(model: type[Body], value: object) -> None:
    try:
        check(model, value)
    except InvalidArgument as error:
        assert error.problem


@settings(deadline=None)
@given(
    file=st.sampled_from(FILES),
    where=st.floats(0, 1),
    what=st.binary(max_size=64),
    end=st.floats(0, 1),
)
def test_a_damaged_file_is_read_or_refused(
    file: bytes, where: float, what: bytes, end: float
) -> None:
    at = round(where * len(file))
    damaged = (file[:at] + what + file[at + len(what) :])[: round(end * len(file))]
    decoder = Decoder(io.BytesIO(damaged))
    try:
        while decoder.next():
            pass
    except InvalidArgument as error:
        assert error.field == "file"
    finally:
        decoder.close()
