"""Where nobody is to be traced, turns that overran or failed are traced all the same, and the log tells of them."""

import json
from pathlib import Path

import aiohttp
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from tests.e2e.process import lone_process
from tests.e2e.talking import talking
from tests.fakes.otlp import Receiver, receiving
from tests.fakes.stages import Script, serving
from tests.microphone import QUESTIONS, recording

NO_TIME_AT_ALL = """
[budgets]
total = 0.001
endpointing = 60
stt = 60
llm = 60
tts = 60
gateway = 60
[objectives]
within_budget = 0.5
answered = 0.5
"""

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


def reply(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
    if request.messages[-1].content[0].text == "fail":
        raise RuntimeError("as it was told to")
    return ["Yes."]


def by_trace(receiver: Receiver) -> list[dict[str, Span]]:
    """Spans by name, of each trace in the order of the turns."""
    found: dict[bytes, dict[str, Span]] = {}
    for _ in range(receiver.spans.qsize()):
        service, span = receiver.spans.get_nowait()
        assert service == "antiphon-gateway"
        found.setdefault(span.trace_id, {})[span.name] = span
    return sorted(found.values(), key=lambda spans: spans["turn"].start_time_unix_nano)


async def joined(metrics: str) -> set[str]:
    """Traces that measurements of response latency are joined to."""
    async with (
        aiohttp.ClientSession(headers=OPENMETRICS) as http,
        http.get(metrics) as response,
    ):
        text = await response.text()
    return {
        sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(text)
        if family.name == "antiphon_response_latency_seconds"
        for sample in family.samples
        if sample.exemplar
    }


async def test_a_turn_that_overran_and_one_that_failed_are_kept_and_logged_and_no_other(
    tmp_path: Path,
) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(NO_TIME_AT_ALL)
    async with receiving() as receiver, serving(Script(write=reply)) as stages:
        environment = {
            "ANTIPHON_BUDGETS": str(file),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_TRACES_SAMPLER": "always_off",
            **{f"ANTIPHON_GATEWAY_{name}": stages for name in ("STT", "LLM", "TTS")},
        }
        async with lone_process("gateway", environment) as gateway:
            async with talking(gateway.address) as talker:
                overran = await talker.ask(recording(QUESTIONS[2], end=1.2))
                went_well = await talker.write("go on")
                failed = await talker.write("fail")
                await talker.finish()
            exemplars = await joined(gateway.metrics)
            gateway.terminate()
            assert await gateway.ended() == 0
        first, second = by_trace(receiver)
        late, broken = (line for line in map(json.loads, gateway.log) if "turn" in line)
    assert overran.ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert went_well.ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert failed.ended.outcome == pb.TURN_OUTCOME_FAILED
    calls = {"transcribe", "generate", "synthesize"}
    assert calls | {"endpointing", "playout"} <= set(first)
    assert "generate" in second and "transcribe" not in second
    for spans in (first, second):
        for name in calls & set(spans):
            assert spans[name].parent_span_id == spans["turn"].span_id
    assert exemplars == {first["turn"].trace_id.hex()}
    assert late["conversation"] == broken["conversation"]
    assert (late["event"], late["level"]) == ("a turn was late", "info")
    assert (late["overruns"], late["turn"]) == (["total"], 1)
    told = overran.ended.waterfall.total.ToTimedelta().total_seconds()
    assert late["total"] == pytest.approx(told, abs=0.001)
    assert (broken["event"], broken["level"]) == ("a turn failed", "warning")
    assert (broken["stage"], broken["turn"]) == ("llm", 3)
    for line, spans in ((late, first), (broken, second)):
        assert line["trace_id"] == spans["turn"].trace_id.hex()
