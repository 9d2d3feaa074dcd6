"""``POST /v1/chat/completions``: the language model's stage for whoever has a client of OpenAI's."""

import time
import uuid
from typing import Any

from aiohttp import web

from gateway.calls import LONGEST_REPLY
from gateway.conversation.events import ReplyWritten, TextWritten, ToolCalled
from gateway.conversation.values import Finish, Stage, ToolCall, Usage
from gateway.fronts.openai import names
from gateway.fronts.openai.body import read_json
from gateway.fronts.openai.chat_request import ChatRequest
from gateway.fronts.openai.prompt import to_generate
from gateway.fronts.openai.sse import Events
from gateway.settings import GatewaySettings
from gateway.stages.asking import NO_TURN, Asked, Completion, asked
from gateway.stages.directory import Stages
from services.runtime.errors import AntiphonError

_FINISHES = {
    Finish.COMPLETE: "stop",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.LENGTH: "length",
    Finish.FILTERED: "content_filter",
}


class Chat:
    """Chat completions, whole or streamed.

    Args:
        stages: the language model is one of.
        settings: say how long to wait for it.
    """

    def __init__(self, stages: Stages, settings: GatewaySettings) -> None:
        self._stages = stages
        self._patience = settings.llm_timeout

    def routes(self) -> list[web.RouteDef]:
        """Where this is."""
        return [web.post("/v1/chat/completions", self._complete)]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        """A chat completion, whole or streamed: text, pictures and tools."""
        wanted = await read_json(request, ChatRequest)
        abilities = await self._stages.abilities()
        model = names.model(wanted.model, abilities)
        prompt = to_generate(wanted, model)
        async with asked(
            Stage.LLM,
            lambda inbox, span: Completion(
                stub=self._stages.llm,
                request=prompt,
                ref=NO_TURN,
                sink=inbox.put,
                timeout=LONGEST_REPLY,
                watch=span,
            ),
        ) as (_, reply):
            completion = _Completion(model or "default")
            if wanted.stream:
                options = wanted.stream_options
                counted = bool(options and options.include_usage)
                return await self._stream(request, completion, reply, counted)
            while (event := await reply.next(self._patience)) is not None:
                completion.take(event)
            return web.json_response(completion.whole())

    async def _stream(
        self,
        request: web.Request,
        completion: "_Completion",
        reply: Asked,
        counted: bool,
    ) -> web.StreamResponse:
        events = Events(request)
        # Every chunk has the field then, and all but the last one leave it open.
        usage: dict[str, Any] = {"usage": None} if counted else {}
        try:
            while (event := await reply.next(self._patience)) is not None:
                if not events.begun:
                    first = {"role": "assistant", "content": ""}
                    await events.send(completion.chunk(first) | usage)
                if delta := completion.take(event):
                    await events.send(completion.chunk(delta) | usage)
            await events.send(completion.chunk({}, completion.finish) | usage)
            if counted:
                await events.send(completion.count())
            await events.done()
        except AntiphonError as error:
            if not events.begun:
                raise
            await events.fail(error)
        return events.response


class _Completion:
    """One answer, as far as it is written.

    Args:
        model: that writes it.
    """

    def __init__(self, model: str) -> None:
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._text: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._usage = Usage()
        self._finish = Finish.COMPLETE

    @property
    def finish(self) -> str:
        """Why the model stopped, in OpenAI's word."""
        if self._calls and self._finish is Finish.COMPLETE:
            return _FINISHES[Finish.TOOL_CALLS]
        return _FINISHES[self._finish]

    def take(self, event: object) -> dict[str, Any]:
        """What the event adds to the message; empty for nothing."""
        match event:
            case TextWritten(_, text) if text:
                self._text.append(text)
                return {"content": text}
            case ToolCalled(_, call):
                told = _call(call)
                self._calls.append(told)
                return {"tool_calls": [{"index": len(self._calls) - 1} | told]}
            case ReplyWritten(_, usage, finish):
                self._usage, self._finish = usage, finish
        return {}

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """One piece of a streamed answer."""
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": finish,
        }
        return self._object("chat.completion.chunk", [choice])

    def count(self) -> dict[str, Any]:
        """What follows the last piece, where it was asked for."""
        return self._object("chat.completion.chunk", []) | {"usage": self._counted()}

    def whole(self) -> dict[str, Any]:
        """All of an answer at once."""
        text = "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or (None if self._calls else ""),
            "refusal": None,
        }
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.finish,
        }
        return self._object("chat.completion", [choice]) | {"usage": self._counted()}

    def _object(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head, "object": kind, "choices": choices}

    def _counted(self) -> dict[str, Any]:
        usage = self._usage
        return {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
        }


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_json},
    }
