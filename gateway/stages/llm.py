"""The gateway's end of `LanguageModel`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from antiphon.v1 import llm_pb2
from gateway.conversation.events import ReplyWritten, TextWritten, ToolCalled
from gateway.conversation.prompt import Message
from gateway.conversation.values import (
    Finish,
    Ref,
    Speaker,
    Stage,
    ToolCall,
    Usage,
)
from gateway.stages.call import Sink, StageCall, Watch
from services.runtime.contract import budget_metadata
from services.runtime.streams import read

if TYPE_CHECKING:
    from antiphon.v1.llm_pb2_grpc import LanguageModelAsyncStub

_ROLES = {
    Speaker.SYSTEM: llm_pb2.ROLE_SYSTEM,
    Speaker.USER: llm_pb2.ROLE_USER,
    Speaker.ASSISTANT: llm_pb2.ROLE_ASSISTANT,
    Speaker.TOOL: llm_pb2.ROLE_TOOL,
}

_FINISHES = {
    llm_pb2.FINISH_REASON_TOOL_CALLS: Finish.TOOL_CALLS,
    llm_pb2.FINISH_REASON_LENGTH: Finish.LENGTH,
    llm_pb2.FINISH_REASON_CONTENT_FILTER: Finish.FILTERED,
}
"""All others are the end of what the model had to say."""


class Reply(StageCall):
    """One reply on its way out of the language model.

    Args:
        stub: of the stage.
        request: prompt and how to answer it.
        ref: the revision that it works for.
        sink: takes text and tool calls.
        timeout: seconds for the whole call.
        watch: looks on.
        budget: seconds in which it is to begin; None where nobody says.
    """

    def __init__(
        self,
        stub: "LanguageModelAsyncStub",
        request: llm_pb2.GenerateRequest,
        ref: Ref,
        sink: Sink,
        timeout: float,
        watch: Watch,
        budget: float | None = None,
    ) -> None:
        super().__init__(Stage.LLM, ref, sink, timeout, watch)
        self._stub = stub
        self._request = request
        self._wanted = () if budget is None else (budget_metadata(budget),)

    async def _talk(self) -> None:
        self._rpc = call = self._stub.Generate(
            self._request,
            timeout=self._time_left(),
            metadata=(*self._watch.metadata, *self._wanted),
        )
        try:
            while (response := await read(call)) is not None:
                self._repeatable = False
                match response.WhichOneof("message"):
                    case "text":
                        self._sink(TextWritten(self.ref, response.text))
                    case "tool_call":
                        asked = response.tool_call
                        self._sink(
                            ToolCalled(
                                self.ref,
                                ToolCall(asked.id, asked.name, asked.arguments_json),
                            )
                        )
                    case "summary":
                        summary = response.summary
                        usage = summary.usage
                        self._sink(
                            ReplyWritten(
                                self.ref,
                                Usage(usage.prompt, usage.cached, usage.completion),
                                _FINISHES.get(summary.finish_reason, Finish.COMPLETE),
                            )
                        )
                        self._complete = True
            if not self._complete:
                raise self._ended_early()
        finally:
            call.cancel()


def to_messages(messages: Iterable[Message]) -> list[llm_pb2.Message]:
    """A prompt in the words of the contract."""
    return [
        llm_pb2.Message(
            role=_ROLES[message.speaker],
            content=[
                *([llm_pb2.ContentPart(text=message.text)] if message.text else []),
                *(
                    llm_pb2.ContentPart(
                        image=llm_pb2.Image(
                            data=image.data, media_type=image.media_type
                        )
                    )
                    for image in message.images
                ),
            ],
            tool_calls=[
                llm_pb2.ToolCall(
                    id=call.id, name=call.name, arguments_json=call.arguments_json
                )
                for call in message.tool_calls
            ],
            tool_call_id=message.tool_call_id,
        )
        for message in messages
    ]
