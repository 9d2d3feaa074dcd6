"""From the chunks of a streamed chat completion to deltas: reasoning left out, tool calls put together."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from huggingface_hub import (
    ChatCompletionStreamOutput,
    ChatCompletionStreamOutputDelta,
    ChatCompletionStreamOutputDeltaToolCall,
    ChatCompletionStreamOutputUsage,
)

from antiphon.v1 import llm_pb2
from services.llm.upstreams import Delta, Finish, Text, ToolCall, Usage
from services.llm.upstreams.surrogates import Joiner, whole

_Item = TypeVar("_Item")

_THINK, _THOUGHT = "<think>", "</think>"
_MOST_TOKENS = 2**32 - 1
"""What the contract's counts can hold."""
_LONGEST_MODEL = 128
"""Characters of a model's name that are kept."""

_REASONS = {
    "stop": llm_pb2.FINISH_REASON_STOP,
    "eos_token": llm_pb2.FINISH_REASON_STOP,
    "stop_sequence": llm_pb2.FINISH_REASON_STOP,
    "length": llm_pb2.FINISH_REASON_LENGTH,
    "tool_calls": llm_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": llm_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": llm_pb2.FINISH_REASON_CONTENT_FILTER,
}
"""OpenAI's reasons, and those of Hugging Face's text-generation-inference."""


class ThinkFilter:
    """Leaves out what a model thinks aloud between ``<think>`` and ``</think>`` at the start of its text."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "undecided"

    def push(self, text: str) -> str:
        """What of the text so far may be passed on now."""
        if self._state == "open":
            return text
        self._held += text
        if self._state == "undecided":
            start = self._held.lstrip()
            if start.startswith(_THINK):
                self._state, self._held = "thinking", start[len(_THINK) :]
            elif not _THINK.startswith(start):
                self._state = "open"
                return self._release(self._held)
        if self._state == "thinking":
            _, end, rest = self._held.partition(_THOUGHT)
            if end:
                self._state, self._held = "thought", rest
            else:
                # Only a beginning of the end mark has to be remembered.
                self._held = self._held[1 - len(_THOUGHT) :]
        if self._state == "thought" and self._held.strip():
            self._state = "open"
            return self._release(self._held.lstrip())
        return ""

    def finish(self) -> str:
        """What was held back in case it should become a mark, and did not."""
        return self._release(self._held) if self._state == "undecided" else ""

    def _release(self, text: str) -> str:
        self._held = ""
        return text


@dataclass(slots=True)
class _Fragments:
    """A tool call as far as it has come."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class ReplyReader:
    """Reads the chunks of one reply, in order.

    Attributes:
        finished: whether the upstream said why it stopped; only usage can follow.
        begun: whether the model has produced anything, be it reasoning.
    """

    def __init__(self) -> None:
        self.finished = False
        self.begun = False
        self._joiner = Joiner()
        self._think = ThinkFilter()
        self._calls: list[_Fragments] = []
        self._by_index: dict[int, _Fragments] = {}
        self._reason: llm_pb2.FinishReason.ValueType = llm_pb2.FINISH_REASON_UNSPECIFIED
        self._usage = Usage()
        self._model = ""

    def read(self, chunk: ChatCompletionStreamOutput) -> Iterator[Delta]:
        """The deltas that a chunk brings.

        Raises:
            ValueError: it is not what a chat completion's chunk looks like.
        """
        if isinstance(chunk.model, str) and not self._model:
            self._model = whole(chunk.model)[:_LONGEST_MODEL]
        if isinstance(chunk.usage, ChatCompletionStreamOutputUsage):
            self._usage = read_usage(chunk.usage)
        for choice in _list(chunk.choices):
            if choice.index:
                continue
            if choice.delta:
                yield from self._read_delta(choice.delta)
            if choice.finish_reason and not self.finished:
                self._reason = _REASONS.get(
                    choice.finish_reason, llm_pb2.FINISH_REASON_UNSPECIFIED
                )
                yield from self._close()
                self.finished = True

    def end(self) -> Finish:
        """The finish; call it when the stream has ended and `finished` is true."""
        return Finish(self._reason, self._usage, self._model)

    def _read_delta(self, delta: ChatCompletionStreamOutputDelta) -> Iterator[Delta]:
        fragments = _list(delta.tool_calls)
        thought = delta.reasoning or getattr(delta, "reasoning_content", None)
        if delta.content or fragments or thought:
            self.begun = True
        if content := _content(delta.content):
            text = self._think.push(self._joiner.push(content))
            if text:
                yield Text(text)
        for fragment in fragments:
            self._add(fragment)

    def _add(self, fragment: ChatCompletionStreamOutputDeltaToolCall) -> None:
        """Put a piece where it belongs: by index, unless the server numbers all calls the same."""
        key = fragment.index
        if not isinstance(key, int):
            key = max(len(self._calls) - 1, 0)
        call = self._by_index.get(key)
        chosen = _text(fragment.id, "id of a tool call")
        if call is None or (chosen and call.id and chosen != call.id):
            call = _Fragments()
            self._calls.append(call)
            self._by_index[key] = call
        call.id = call.id or chosen
        if fragment.function:
            call.name = call.name or _text(
                fragment.function.name, "name of a tool call"
            )
            arguments = fragment.function.arguments
            if isinstance(arguments, dict):
                call.arguments = json.dumps(arguments, ensure_ascii=False)
            else:
                call.arguments += _text(arguments, "arguments of a tool call")

    def _close(self) -> Iterator[Delta]:
        rest = self._think.push(self._joiner.finish()) + self._think.finish()
        if rest:
            yield Text(rest)
        used: set[str] = set()
        for call in self._calls:
            if not call.name:
                raise ValueError("a tool call has no name")
            chosen = whole(call.id)
            if chosen in used:
                chosen = ""  # results could not be told apart
            used.add(chosen)
            yield ToolCall(
                chosen or f"call_{uuid.uuid4().hex[:24]}",
                whole(call.name),
                whole(call.arguments) or "{}",
            )
        if self._calls and self._reason == llm_pb2.FINISH_REASON_STOP:
            self._reason = llm_pb2.FINISH_REASON_TOOL_CALLS


def read_usage(usage: ChatCompletionStreamOutputUsage) -> Usage:
    """OpenAI's usage object as ours."""
    details = getattr(usage, "prompt_tokens_details", None)
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        _count(usage.prompt_tokens), _count(cached), _count(usage.completion_tokens)
    )


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), _MOST_TOKENS)


def _content(value: object) -> str:
    """The text of a delta: a string, null, or a list of parts, of which those that hold reasoning are left out."""
    if not isinstance(value, list):
        return _text(value, "content of a delta")
    texts = [part.get("text") for part in _list(value) if part.get("type") == "text"]
    return "".join(_text(text, "text of a delta's part") for text in texts)


def _text(value: object, what: str) -> str:
    """A field of a delta; null is an empty one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise ValueError(f"the {what} is not text")


def _list(value: list[_Item] | None) -> list[_Item]:
    """A JSON array of objects; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise ValueError("a list in a chunk is not a list of objects")
    return value
