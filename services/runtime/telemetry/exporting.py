"""Sends spans to a collector in batches. One that does not answer costs the spans, and a line in the log."""

import logging
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from services.runtime.telemetry import metrics

LAST_SPANS_SECONDS = 3.0
"""For the last spans of a process to reach the collector."""

_REPORTS = "opentelemetry.exporter.otlp.proto.grpc.exporter"
"""Logger of the exporter, which tells of every try."""

_QUEUE = "opentelemetry.sdk._shared_internal"
"""Logger of the queue before it, which tells of every span that finds no place."""


class Exporter(SpanExporter):
    """The standard OTLP exporter, which says once that it fails and not at each try.

    Args:
        exporter: to send with; it logs.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._reports = _OneError()
        logging.getLogger(_REPORTS).addFilter(self._reports)
        logging.getLogger(_QUEUE).setLevel(logging.ERROR)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, and count those that are lost."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._reports.reported = False
        else:
            metrics.SPANS_LOST.inc(len(spans))
        return result

    def shutdown(self) -> None:
        """Give up whatever is being sent."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)


class Batches(BatchSpanProcessor):
    """Batches for the collector that the standard variables name."""

    def __init__(self) -> None:
        self._exporter = Exporter(OTLPSpanExporter())
        super().__init__(self._exporter)

    def shutdown(self) -> None:
        """Send the last spans, but wait no longer than `LAST_SPANS_SECONDS` for a collector that is not there."""
        giving_up = threading.Timer(LAST_SPANS_SECONDS, self._exporter.shutdown)
        giving_up.daemon = True
        giving_up.start()
        super().shutdown()  # type: ignore[no-untyped-call]
        giving_up.cancel()


class _OneError(logging.Filter):
    """Lets the first error through.

    Attributes:
        reported: it has been.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reported = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        if record.levelno < logging.ERROR or self.reported:
            return False
        self.reported = True
        return True
