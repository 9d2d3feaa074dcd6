"""Structured logs: one event a line, with the conversation, the turn and the trace it belongs to.

The user's words and audio are never logged above debug level.
"""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import trace
from structlog.contextvars import bind_contextvars, bound_contextvars

from services.runtime.settings import ProcessSettings


def configure(settings: ProcessSettings) -> None:
    """Send this process's logs to standard error in the form that the settings ask for."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    level = settings.log_level.upper()
    root.setLevel(logging.WARNING if settings.log_level == "info" else level)
    for ours in ("antiphon", "gateway", "services"):
        logging.getLogger(ours).setLevel(level)
    bind_contextvars(service=settings.section)


def get_logger(name: str) -> Any:
    """A logger for a module; use it as ``log.info("what happened", key=value)``."""
    return structlog.stdlib.get_logger(name)


def _add_trace(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


__all__ = ["bound_contextvars", "configure", "get_logger"]
