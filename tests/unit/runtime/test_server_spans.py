"""Every RPC of a turn is a span, and counted; what went wrong is told apart from what was wanted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
import pytest_asyncio
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Counter, Histogram

from antiphon.v1 import llm_pb2, tts_pb2
from antiphon.v1.llm_pb2_grpc import (
    LanguageModelServicer,
    add_LanguageModelServicer_to_server,
)
from antiphon.v1.stage_pb2 import TurnRef
from antiphon.v1.tts_pb2_grpc import (
    TextToSpeechServicer,
    TextToSpeechStub,
    add_TextToSpeechServicer_to_server,
)
from services.runtime import errors
from services.runtime.admission import Admission
from services.runtime.contract import working_for
from services.runtime.rpc import untraced
from services.runtime.server import bind, create_server
from services.runtime.settings import ServiceSettings
from services.runtime.streams import read, write
from services.runtime.telemetry import metrics, names, tracing
from tests.fakes.spans import Spans, id_of, recorded, told, trace_of

TRACE, CALLER = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
METADATA = (("traceparent", f"00-{TRACE:032x}-{CALLER:016x}-01"),)
STRANGE = (("tracestate", "vendor=1"), ("baggage", "user=somebody"))
METHOD = "antiphon.v1.TextToSpeech/Synthesize"


@dataclass
class Voice(TextToSpeechServicer):
    """Echoes text as it comes; fails with whatever it is told to."""

    failure: BaseException | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def Synthesize(self, _requests: object, context: Any) -> None:  # type: ignore[override]
        turn = TurnRef(conversation_id="c1", turn=3, revision=2)
        with working_for(turn, "echo"):
            try:
                while (request := await read(context)) is not None:
                    if self.failure is not None:
                        raise self.failure
                    spoken = tts_pb2.Segment(spoken=request.text)
                    await write(context, tts_pb2.SynthesizeResponse(segment=spoken))
                summary = tts_pb2.SynthesisSummary()
                await write(context, tts_pb2.SynthesizeResponse(summary=summary))
            finally:
                self.left.set()

    async def Describe(self, _request: object, _context: object) -> Any:  # type: ignore[override]
        return tts_pb2.TextToSpeechDescribeResponse()


class Endless(LanguageModelServicer):
    """Gives no span of its own to what it does for long."""

    inside: trace.SpanContext | None = None
    onwards: Sequence[tuple[str, str]] = ()

    @untraced
    async def Generate(self, _request: object, context: Any) -> None:  # type: ignore[override]
        self.inside = trace.get_current_span().get_span_context()
        self.onwards = tracing.inject()


@dataclass
class Running:
    voice: Voice
    endless: Endless
    channel: grpc.aio.Channel
    admission: Admission

    @property
    def stub(self) -> TextToSpeechStub:
        return TextToSpeechStub(self.channel)


@pytest_asyncio.fixture
async def running() -> AsyncIterator[Running]:
    settings, admission = ServiceSettings(), Admission(2)
    server = create_server(settings, admission)
    voice, endless = Voice(), Endless()
    add_TextToSpeechServicer_to_server(voice, server)
    add_LanguageModelServicer_to_server(endless, server)
    port = bind(server, settings)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Running(voice, endless, channel, admission)
    await server.stop(None)


async def speak(running: Running) -> list[str]:
    call = running.stub.Synthesize(metadata=METADATA)
    said = []
    for text in ("one", "two"):
        await call.write(tts_pb2.SynthesizeRequest(text=text))
        said.append((await call.read()).segment.spoken)
    await call.done_writing()
    assert (await call.read()).HasField("summary")
    assert await call.read() is grpc.aio.EOF
    return said


def counted(metric: Counter | Histogram, **labels: str) -> float:
    (family,) = metric.collect()
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith(("_total", "_count")) and sample.labels == labels
    )


async def test_a_stream_in_read_and_write_style_is_a_span_below_the_callers(
    running: Running,
) -> None:
    with recorded() as spans:
        assert await speak(running) == ["one", "two"]
        await spans.all_ended()
    span = spans.one(METHOD)
    assert span.kind is SpanKind.SERVER
    assert trace_of(span) == TRACE
    assert span.parent is not None and span.parent.span_id == CALLER
    assert told(span) == {
        names.RPC_SYSTEM: "grpc",
        names.RPC_METHOD: METHOD,
        names.RPC_STATUS_CODE: "OK",
        names.ENGINE: "echo",
        names.CONVERSATION_ID: "c1",
        names.TURN: 3,
        names.REVISION: 2,
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_how_long_it_took_is_joined_to_its_trace(running: Running) -> None:
    with recorded() as spans:
        await speak(running)
        await spans.all_ended()
    labels = {"method": "Synthesize", "code": "OK"}
    (family,) = metrics.RPC_DURATION.collect()
    joined = [
        sample.exemplar.labels
        for sample in family.samples
        if sample.exemplar and labels.items() <= sample.labels.items()
    ]
    assert {"trace_id": f"{TRACE:032x}"} in joined


async def fail(running: Running, failure: BaseException) -> Spans:
    running.voice.failure = failure
    with recorded() as spans:
        call = running.stub.Synthesize(metadata=METADATA)
        await call.write(tts_pb2.SynthesizeRequest(text="one"))
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
        await spans.all_ended()
    return spans


@pytest.mark.parametrize(
    ("failure", "code", "ours"),
    [
        (errors.InvalidArgument("text", "is none"), "INVALID_ARGUMENT", False),
        (errors.Full("full"), "RESOURCE_EXHAUSTED", False),
        (errors.Unavailable("gone"), "UNAVAILABLE", True),
        (errors.EngineError("broken"), "INTERNAL", True),
        (ValueError("bug"), "INTERNAL", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_an_error_is_counted_and_is_the_spans_where_it_is_the_servers(
    running: Running, failure: Exception, code: str, ours: bool
) -> None:
    labels = {"method": "Synthesize", "code": code}
    before = counted(metrics.ERRORS, **labels)
    span = (await fail(running, failure)).one(METHOD)
    assert counted(metrics.ERRORS, **labels) == before + 1
    assert told(span)[names.RPC_STATUS_CODE] == code
    assert told(span).get(names.ERROR_TYPE) == (code if ours else None)
    assert (span.status.status_code is StatusCode.ERROR) is ours
    assert span.events == () and not span.status.description


async def test_a_caller_that_cancels_is_no_error(running: Running) -> None:
    labels = {"method": "Synthesize", "code": "CANCELLED"}
    before = counted(metrics.RPC_DURATION, **labels)
    with recorded() as spans:
        call = running.stub.Synthesize(metadata=METADATA)
        await call.write(tts_pb2.SynthesizeRequest(text="one"))
        await call.read()
        call.cancel()
        await running.voice.left.wait()
        await spans.all_ended()
    span = spans.one(METHOD)
    assert told(span)[names.RPC_STATUS_CODE] == "CANCELLED"
    assert names.ERROR_TYPE not in told(span)
    assert span.status.status_code is StatusCode.UNSET
    assert counted(metrics.RPC_DURATION, **labels) == before + 1
    assert counted(metrics.ERRORS, **labels) == 0


async def test_a_refused_stream_is_a_span_that_says_so(running: Running) -> None:
    with running.admission.stream(), running.admission.stream():
        span = (await fail(running, ValueError())).one(METHOD)
    assert told(span)[names.RPC_STATUS_CODE] == "RESOURCE_EXHAUSTED"
    assert span.status.status_code is StatusCode.UNSET


async def test_nobody_traces_who_asks_what_a_stage_is(running: Running) -> None:
    with recorded() as spans:
        await running.stub.Describe(
            tts_pb2.TextToSpeechDescribeRequest(), metadata=METADATA
        )
        await speak(running)
        await spans.all_ended()
    assert [span.name for span in spans] == [METHOD]


def test_what_is_no_trace_of_a_callers_is_none_and_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for said in ("", "x", f"cc{METADATA[0][1][2:]}-{'z' * 3000}", "00-" + "0" * 600):
        span = trace.get_current_span(tracing.extract([("traceparent", said)]))
        assert not span.get_span_context().is_valid
    assert not caplog.records


async def test_a_handler_may_go_without_a_span_and_runs_in_its_callers_context(
    running: Running,
) -> None:
    with recorded() as spans:
        call = running.channel.unary_stream(
            "/antiphon.v1.LanguageModel/Generate",
            request_serializer=llm_pb2.GenerateRequest.SerializeToString,
        )(llm_pb2.GenerateRequest(), metadata=(*METADATA, *STRANGE))
        assert await call.read() is grpc.aio.EOF
        await speak(running)
        await spans.all_ended()
    assert [span.name for span in spans] == [METHOD]
    inside = running.endless.inside
    assert inside is not None
    assert (inside.trace_id, inside.span_id) == (TRACE, CALLER)
    assert [name for name, _ in running.endless.onwards] == ["traceparent"]
    assert id_of(spans[0]) != CALLER
