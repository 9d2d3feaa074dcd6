"""An OTLP receiver that keeps the spans it is sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Receiver(TraceServiceServicer):
    """Attributes:
    endpoint: for ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    spans: (service name, span) as they come.
    resources: what processes said that they are, each time.
    """

    endpoint: str = ""
    spans: asyncio.Queue[tuple[str, Span]] = field(default_factory=asyncio.Queue)
    resources: list[dict[str, str]] = field(default_factory=list)

    async def Export(
        self, request: ExportTraceServiceRequest, _context: object
    ) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            said = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.resources.append(said)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put_nowait((said["service.name"], span))
        return ExportTraceServiceResponse()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    server = grpc.aio.server()
    receiver = Receiver()
    add_TraceServiceServicer_to_server(receiver, server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(0)
