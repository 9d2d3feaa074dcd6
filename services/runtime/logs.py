"""Structured logs: one event a line, with the conversation, the turn and the trace it belongs to.

Audio is never logged; words are at debug level alone, and only where the settings let them in (`words`).
"""

import logging
import sys
from typing import Any

import structlog
from opentelemetry import trace
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor

from services.runtime.settings import ProcessSettings
from services.runtime.words import Redaction


def configure(settings: ProcessSettings) -> None:
    """Send this process's logs to standard error in the form that the settings ask for."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _naming(settings.section),
        _add_trace,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        # Others would show the values of variables, and there are words among them.
        else structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback
        )
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
                Redaction(settings.log_words),
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    level = settings.log_level.upper()
    root.setLevel(_level_of_libraries(settings))
    for ours in ("antiphon", "gateway", "services"):
        logging.getLogger(ours).setLevel(level)


def _level_of_libraries(settings: ProcessSettings) -> str:
    """What libraries say at info is news for us only at debug; at debug they repeat what they are given."""
    match settings.log_level:
        case "debug":
            return "DEBUG" if settings.log_words else "INFO"
        case "info":
            return "WARNING"
        case level:
            return level.upper()


def get_logger(name: str) -> Any:
    """A logger for a module; use it as ``log.info("what happened", key=value)``."""
    return structlog.stdlib.get_logger(name)


def _naming(service: str) -> Processor:
    # No variable of a context: threads of libraries, which send spans for example, begin without.
    def name(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {**event, "service": service}

    return name


def _add_trace(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


__all__ = ["bound_contextvars", "configure", "get_logger"]
