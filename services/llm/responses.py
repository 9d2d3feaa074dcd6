"""From what upstreams yield to the contract's messages."""

from google.protobuf.duration_pb2 import Duration

from antiphon.v1 import llm_pb2, stage_pb2
from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Finish, Text, ToolCall


def response(delta: Text | ToolCall) -> llm_pb2.GenerateResponse:
    """A piece of the reply."""
    if isinstance(delta, Text):
        return llm_pb2.GenerateResponse(text=delta.text)
    call = llm_pb2.ToolCall(
        id=delta.id, name=delta.name, arguments_json=delta.arguments
    )
    return llm_pb2.GenerateResponse(tool_call=call)


def summary(
    upstream: UpstreamSettings, finish: Finish, first: Duration, computed: Duration
) -> llm_pb2.GenerateResponse:
    """The end of the reply; its attempts are left to be filled in.

    Args:
        upstream: that wrote it.
        finish: how it ended.
        first: from the request to the first text or tool call.
        computed: from the request to the end.
    """
    usage = finish.usage
    return llm_pb2.GenerateResponse(
        summary=llm_pb2.GenerateSummary(
            finish_reason=finish.reason,
            usage=llm_pb2.TokenUsage(
                prompt=usage.prompt, cached=usage.cached, completion=usage.completion
            ),
            upstream=upstream.name,
            time_to_first_token=first,
            timings=stage_pb2.StageTimings(computed=computed, first_result=first),
            engine=stage_pb2.EngineInfo(engine=upstream.kind, model=upstream.model),
        )
    )
