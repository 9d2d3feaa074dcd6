"""From a reply's chunks to deltas."""

from typing import Any

import pytest
from huggingface_hub import ChatCompletionStreamOutput
from hypothesis import given
from hypothesis import strategies as st

from antiphon.v1 import llm_pb2
from services.llm.upstreams import Delta, Finish, Text, ToolCall, Usage
from services.llm.upstreams.reply import ReplyReader, ThinkFilter


def read(*chunks: dict[str, Any]) -> list[Delta]:
    """All deltas of a reply, its finish among them."""
    reader = ReplyReader()
    deltas: list[Delta] = []
    for chunk in chunks:
        parsed = ChatCompletionStreamOutput.parse_obj_as_instance(chunk)
        deltas += reader.read(parsed)
    return [*deltas, reader.end()]


def delta(finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def fragment(**fields: Any) -> dict[str, Any]:
    function = {k: fields.pop(k) for k in ("name", "arguments") if k in fields}
    return delta(tool_calls=[{**fields, "function": function}])


def filtered(*pieces: str) -> str:
    think = ThinkFilter()
    return "".join(think.push(piece) for piece in pieces) + think.finish()


@pytest.mark.parametrize(
    ("whole", "passed"),
    [
        ("Hello.", "Hello."),
        ("<think>hm</think>Yes.", "Yes."),
        ("\n<think>\nhm\n</think>\n\nYes.", "Yes."),
        ("<think></think>", ""),
        ("<think>never ended", ""),
        ("<thin", "<thin"),
        ("<thinner> is a word", "<thinner> is a word"),
        ("Say <think>this</think>.", "Say <think>this</think>."),
        ("<think>a</think>b<think>c</think>", "b<think>c</think>"),
        ("<think>a</thin</think>b", "b"),
        ("  indented", "  indented"),
    ],
)
@given(data=st.data())
def test_only_what_is_thought_at_the_start_is_left_out_however_it_is_cut(
    whole: str, passed: str, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=6)))
    ends = [*cuts, len(whole)]
    pieces = [whole[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
    assert filtered(*pieces) == passed


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", llm_pb2.FINISH_REASON_STOP),
        ("length", llm_pb2.FINISH_REASON_LENGTH),
        ("content_filter", llm_pb2.FINISH_REASON_CONTENT_FILTER),
        ("something new", llm_pb2.FINISH_REASON_UNSPECIFIED),
    ],
)
def test_finish_reasons_are_the_contracts(reason: str, expected: int) -> None:
    assert read(delta(reason, content="a")) == [
        Text("a"),
        Finish(expected, Usage()),  # type: ignore[arg-type]
    ]


def test_calls_that_end_with_stop_still_end_with_tool_calls() -> None:
    call, finish = read(fragment(index=0, id="1", name="f"), delta("stop"))
    assert call == ToolCall("1", "f", "{}")
    assert isinstance(finish, Finish)
    assert finish.reason == llm_pb2.FINISH_REASON_TOOL_CALLS


def test_calls_that_all_have_the_same_index_are_told_apart_by_id() -> None:
    calls = read(
        fragment(index=0, id="1", name="f", arguments='{"a": 1}'),
        fragment(index=0, id="2", name="g", arguments="{"),
        fragment(index=0, id="2", arguments="}"),
        delta("tool_calls"),
    )[:2]
    assert calls == [ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", "{}")]


def test_calls_that_share_an_id_get_one_each() -> None:
    calls = [
        call
        for call in read(
            fragment(index=0, id="0", name="f", arguments="{}"),
            fragment(index=1, id="0", name="g", arguments="{}"),
            delta("tool_calls"),
        )
        if isinstance(call, ToolCall)
    ]
    assert [call.name for call in calls] == ["f", "g"]
    assert calls[0].id == "0"
    assert calls[1].id not in ("0", "")


def test_arguments_sent_as_an_object_become_json() -> None:
    call = read(fragment(index=0, id="1", name="f", arguments={"a": 1}), delta("stop"))[
        0
    ]
    assert call == ToolCall("1", "f", '{"a": 1}')


def test_a_call_without_a_name_is_no_reply() -> None:
    with pytest.raises(ValueError, match="no name"):
        read(fragment(index=0, arguments="{}"), delta("tool_calls"))


def test_other_choices_than_the_first_are_left_out() -> None:
    assert read(delta(content="a"), delta("stop", index=1, content="b"))[0] == Text("a")


def test_usage_counts_what_was_cached_and_bears_nonsense() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": None}
    details = {"prompt_tokens_details": {"cached_tokens": 5}}
    finish = read(delta("stop"), {"choices": [], "usage": {**usage, **details}})[-1]
    assert finish == Finish(llm_pb2.FINISH_REASON_STOP, Usage(9, 5, 0))


def test_reasoning_counts_as_having_begun() -> None:
    reader = ReplyReader()
    for fields, begun in (({"role": "assistant"}, False), ({"reasoning": "h"}, True)):
        parsed = ChatCompletionStreamOutput.parse_obj_as_instance(delta(**fields))
        assert list(reader.read(parsed)) == []
        assert reader.begun is begun
