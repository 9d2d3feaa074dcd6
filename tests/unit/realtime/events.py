"""Client events, one of each type, and what may be put into them."""

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.schema import parse

USER = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "hello"}],
}


EVENTS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime"}},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": USER, "previous_item_id": "root"},
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {"type": "conversation.item.delete", "item_id": "i"},
    {
        "type": "conversation.item.truncate",
        "item_id": "i",
        "content_index": 0,
        "audio_end_ms": 1200,
    },
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "input": [USER],
            "instructions": "Be short.",
            "output_modalities": ["text"],
            "audio": {"output": {"voice": "alloy", "format": {"type": "audio/pcmu"}}},
            "tools": [{"type": "function", "name": "f", "parameters": {}}],
            "tool_choice": {"type": "function", "name": "f"},
            "max_output_tokens": "inf",
            "metadata": {"a": "b"},
        },
    },
    {"type": "response.cancel", "response_id": "r"},
]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from(["realtime", "message", "function", "user", "audio/pcm", "inf"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def wrong(event: Any) -> WireError:
    message = event if isinstance(event, str | bytes) else json.dumps(event)
    with pytest.raises(WireError) as caught:
        parse(message)
    return caught.value


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container and key of a value, at any depth."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    return [place for key in keys for place in [(value, key), *places(value[key])]]
