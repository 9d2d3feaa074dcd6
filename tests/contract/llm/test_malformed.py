"""A stream that is not what it should be: read for what it says, or refused as a bad response; never more than that."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from antiphon.v1 import llm_pb2
from services.llm import upstreams
from services.llm.patience import Patience
from services.llm.prompt import Prompt
from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Delta, Finish, Text, Usage
from services.llm.upstreams.http import LONGEST_LINE
from tests.fakes import upstream as fake
from tests.fakes.running_llm import (
    Serve,
    asking,
    attempts,
    failure,
    reply,
    running_proxy,
    text_of,
)
from tests.fakes.upstream import Answer, ScriptedUpstream, chunk

GZIP = {"Content-Encoding": "gzip"}


def calling(**call: Any) -> Answer:
    """A reply that is one tool call."""
    function = {k: call.pop(k) for k in ("name", "arguments") if k in call}
    fragment = {"index": 0, "id": "1", **call, "function": function}
    return Answer([chunk(tool_calls=[fragment]), chunk("tool_calls"), fake.DONE])


def counted(**usage: object) -> bytes:
    return fake.event({"choices": [], "usage": usage})


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["\ud83d\ude42"], "\U0001f642"),
        (["Hi \ud83d", "", "\ude42!"], "Hi \U0001f642!"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["a\ude42b"], "a\ufffdb"),
        (["end\ud83d"], "end\ufffd"),
        (["\ud83d"], "\ufffd"),
    ],
)
async def test_an_emoji_cut_in_two_is_joined_and_a_lone_half_replaced(
    serve: Serve, upstream: ScriptedUpstream, pieces: list[str], text: str
) -> None:
    upstream.answers.append(fake.says(*pieces))
    async with serve() as stub:
        responses = await reply(stub)
    assert text_of(responses) == text
    assert responses[-1].HasField("summary")


async def test_halves_of_an_emoji_in_a_tool_call_are_joined_or_replaced(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    def part(**function: str) -> bytes:
        return chunk(tool_calls=[{"index": 0, "id": "i\ud83d", "function": function}])

    parts = [part(name="f\ude42", arguments='{"a": "\ud83d'), part(arguments='\ude42"}')]  # fmt: skip
    upstream.answers.append(Answer([*parts, chunk("tool_calls"), fake.DONE]))
    async with serve(tools=True) as stub:
        call = (await reply(stub, asking(tools=[llm_pb2.Tool(name="f")])))[0].tool_call
    assert (call.id, call.name) == ("i\ufffd", "f\ufffd")
    assert json.loads(call.arguments_json) == {"a": "\U0001f642"}


async def test_arguments_sent_as_an_object_are_passed_on_as_json(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(calling(name="f", arguments={"a": "\ud83d\ude42\ud83d"}))
    async with serve(tools=True) as stub:
        call = (await reply(stub))[0].tool_call
    assert json.loads(call.arguments_json) == {"a": "\U0001f642\ufffd"}


async def test_a_tool_call_without_an_id_gets_one(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(calling(id=None, name="f"))
    async with serve(tools=True) as stub:
        assert (await reply(stub))[0].tool_call.id


@pytest.mark.parametrize(
    "answer",
    [
        calling(name=None),
        calling(name=7),
        calling(name="f", id=7),
        calling(name="f", id={"a": 1}),
        calling(name="f", arguments=7),
        calling(name="f", arguments=["a"]),
        Answer([chunk(content=["a"])]),
        Answer([chunk(tool_calls=[{"index": 0, "function": "f"}])]),
        Answer([b"data: " + b"[" * 200_000 + b"\n\n"]),
        Answer([b'data: {"choices": ' + b"[" * 200_000 + b"\n\n"]),
        Answer([fake.event({"id": "1"})]),
        Answer([fake.event({"choices": None})]),
        Answer([fake.event({"choices": "x"})]),
        Answer([fake.event({"choices": {"index": 0}})]),
        Answer([fake.event({"choices": [None]})]),
        Answer([fake.event({"choices": [{"index": 0, "delta": "x"}]})]),
        Answer([fake.event({"choices": [{"index": 0, "finish_reason": ["stop"]}]})]),
        Answer(fake.says("plain").steps, headers=GZIP),
        Answer(
            fake.says("a").steps,
            headers={"Content-Type": "text/event-stream; charset=zlib"},
        ),
    ],
)
async def test_what_is_no_reply_is_a_bad_response_and_the_next_client_is_served(
    serve: Serve, upstream: ScriptedUpstream, answer: Answer
) -> None:
    upstream.answers.append(answer)
    bad, cancelled = attempts("bad_response"), attempts("cancelled")
    async with serve(tools=True) as stub:
        error = await failure(stub)
        assert error.code.name == "UNAVAILABLE"
        assert (attempts("bad_response"), attempts("cancelled")) == (bad + 1, cancelled)
        assert text_of(await reply(stub)) == "Hello there."


async def test_a_line_that_does_not_end_is_not_kept_until_it_does(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    piece = b"a" * 1024 * 1024
    endless = [b"data: ", *[piece] * (LONGEST_LINE // len(piece) + 1), fake.Step.WAIT]
    upstream.answers.append(Answer(endless))
    async with serve() as stub:
        error = await failure(stub)
        assert "line" in error.message
        assert text_of(await reply(stub)) == "Hello there."


async def test_a_character_cut_between_two_packets_is_whole(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    said = json.dumps(
        {"choices": [{"index": 0, "delta": {"content": "grüß 🙂"}}]}, ensure_ascii=False
    )
    line = f"data: {said}\n\n".encode()
    for cut in (line.index("ü".encode()) + 1, line.index("🙂".encode()) + 2):
        steps = [line[:cut], line[cut:], chunk("stop"), fake.DONE]
        upstream.answers.append(Answer(steps))
    async with serve() as stub:
        assert text_of(await reply(stub)) == "grüß 🙂"
        assert text_of(await reply(stub)) == "grüß 🙂"


async def test_content_in_parts_is_read_and_its_reasoning_left_out(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "secret"}]}
    parts = [thought, {"type": "text", "text": "Hi"}]
    upstream.answers.append(Answer([chunk(content=parts), chunk("stop"), fake.DONE]))
    async with serve() as stub:
        assert text_of(await reply(stub)) == "Hi"


@pytest.mark.parametrize("choices", [{}, {"choices": None}, {"choices": []}])
async def test_chunks_without_choices_are_passed_over(
    serve: Serve, upstream: ScriptedUpstream, choices: dict[str, None]
) -> None:
    nothing = fake.event({"choices": [{"index": 0, "delta": None}]})
    steps = [fake.event({"id": "1", **choices}), nothing, *fake.says("Hi").steps]
    upstream.answers.append(Answer(steps))
    async with serve() as stub:
        assert text_of(await reply(stub)) == "Hi"


@pytest.mark.parametrize(
    ("count", "counts"),
    [
        (-1, 0),
        (2**32 - 1, 2**32 - 1),
        (2**32, 2**32 - 1),
        (10**400, 2**32 - 1),
        (1.5, 0),
        ("12", 0),
        (None, 0),
        (True, 0),
        ([1], 0),
    ],
)
async def test_a_count_of_tokens_never_fails_a_reply(
    serve: Serve, upstream: ScriptedUpstream, count: object, counts: int
) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": count}}
    usage = counted(prompt_tokens=count, completion_tokens=count, **details)
    upstream.answers.append(
        Answer([chunk(content="Hi"), chunk("stop"), usage, fake.DONE])
    )
    before = attempts("ok")
    async with serve() as stub:
        summary = (await reply(stub))[-1].summary
    assert summary.usage == llm_pb2.TokenUsage(
        prompt=counts, cached=counts, completion=counts
    )
    assert attempts("ok") == before + 1


@pytest.mark.parametrize(
    "rest",
    [
        fake.event({"choices": [], "usage": "x"}),
        fake.event({"choices": [], "usage": [1]}),
        fake.event({"choices": [], "usage": [{}]}),
        fake.event({"choices": "x"}),
        b"data: {not json\n\n",
        b"data: " + b"[" * 200_000 + b"\n\n",
    ],
)
async def test_what_comes_after_the_finish_fails_a_reply_no_more(
    serve: Serve, upstream: ScriptedUpstream, rest: bytes
) -> None:
    upstream.answers.append(
        Answer([chunk(content="Hi"), chunk("stop"), rest, fake.DONE])
    )
    async with serve() as stub:
        responses = await reply(stub)
    assert text_of(responses) == "Hi"
    assert responses[-1].summary.finish_reason == llm_pb2.FINISH_REASON_STOP


@pytest.mark.parametrize(
    "answer",
    [
        fake.refuses(500, {"message": "boom \ud83d"}),
        Answer([fake.event({"error": {"message": "boom \ud83d"}})]),
        Answer([fake.event({"error": "boom \ud83d"})]),
    ],
)
async def test_half_an_emoji_in_an_upstreams_error_is_replaced(
    serve: Serve, upstream: ScriptedUpstream, answer: Answer
) -> None:
    upstream.answers.append(answer)
    async with serve() as stub:
        error = await failure(stub)
    assert error.code.name == "UNAVAILABLE"
    assert "boom \ufffd" in error.message


@pytest.mark.parametrize("place", ["", "message", "type", "code", "param"])
async def test_an_upstreams_error_may_be_nested_as_deep_as_json_goes(
    serve: Serve, upstream: ScriptedUpstream, place: str
) -> None:
    before = attempts("upstream_error")
    async with serve() as stub:
        for depth in range(300, 1_000, 25):
            deep = "[" * depth + "]" * depth
            error = f'{{"{place}": {deep}}}' if place else deep
            upstream.answers.append(Answer([f'data: {{"error": {error}}}\n\n'.encode()]))  # fmt: skip
            assert (await failure(stub)).code.name == "UNAVAILABLE"
    assert attempts("upstream_error") > before


async def test_a_refusal_whose_body_cannot_be_decoded_keeps_its_meaning(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.answers.append(fake.refuses(429, b"slow", **GZIP))
    before = attempts("rate_limited")
    async with serve() as stub:
        assert (await failure(stub)).code.name == "RESOURCE_EXHAUSTED"
    assert attempts("rate_limited") == before + 1


async def test_a_list_of_models_that_cannot_be_decoded_keeps_no_proxy_from_starting(
    serve: Serve, upstream: ScriptedUpstream
) -> None:
    upstream.models_headers = GZIP
    async with serve() as stub:
        assert text_of(await reply(stub)) == "Hello there."


class Buggy:
    """An upstream that yields what it is given, then fails as no upstream may."""

    def __init__(self, settings: UpstreamSettings, *deltas: Delta) -> None:
        self.settings = settings
        self._deltas = deltas

    async def generate(
        self, prompt: Prompt, patience: Patience
    ) -> AsyncGenerator[Delta, None]:
        for delta in self._deltas:
            yield delta
        raise LookupError("nobody thought of this")

    async def prepare(self, prompt: Prompt) -> int | None:
        return None

    async def warm(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "deltas",
    [
        [],
        [Text("a")],
        [Text("\ud83d")],
        [Text("a"), Finish(llm_pb2.FINISH_REASON_STOP, Usage(prompt=-1))],
        [Text("a"), Finish(llm_pb2.FINISH_REASON_STOP, Usage(prompt=2**32))],
    ],
)
async def test_a_fault_of_our_own_is_not_counted_as_the_callers_leaving(
    monkeypatch: pytest.MonkeyPatch, deltas: list[Delta]
) -> None:
    monkeypatch.setattr(upstreams, "create", lambda settings: Buggy(settings, *deltas))
    before, cancelled = attempts("upstream_error"), attempts("cancelled")
    settings = {"name": "scripted", "base_url": "http://127.0.0.1:1/v1"}
    async with running_proxy(settings) as stub:
        assert (await failure(stub)).code.name == "INTERNAL"
    assert attempts("upstream_error") == before + 1
    assert attempts("cancelled") == cancelled
