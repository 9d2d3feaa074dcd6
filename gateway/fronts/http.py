"""The HTTP port: one application of several parts, behind one gate."""

import logging
import ssl
from collections.abc import Iterable
from typing import Protocol

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.fronts import http_telemetry
from gateway.fronts.gate import Gate
from gateway.fronts.openai.errors import errors_as_json

LARGEST_BODY = 26 * 1024 * 1024
"""Of a request: a recording of 25 MiB, and what stands around it."""

HEAD_SECONDS = 75.0
"""For a request's head to come, and for the next request on a connection that is kept: no less than proxies keep theirs,
or one would send a request into a connection that is just being closed."""

LAST_REQUESTS_SECONDS = 2.0
"""For requests in progress when the gateway stops; conversations have been waited for before."""


class Part(Protocol):
    """Something that is offered over HTTP."""

    def routes(self) -> list[web.RouteDef]:
        """What it offers. The first line of a handler's docstring says what it does, and is shown to people."""
        ...


class HttpFront:
    """Listens for HTTP.

    Args:
        parts: what is offered.
        gate: stands before ``/v1/``.
        tls: of the certificate; None for plain HTTP.
    """

    def __init__(
        self, parts: Iterable[Part], gate: Gate, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        # It warns of subprotocols that are none of ours, and says them; browsers name their key as one.
        logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
        application = web.Application(
            middlewares=[errors_as_json], client_max_size=LARGEST_BODY
        )
        gate.install(application)
        http_telemetry.install(application)
        for part in parts:
            application.add_routes(part.routes())
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_errors(),
            # A client that has left wants no answer any more, and the stages are to stop.
            handler_cancellation=True,
            keepalive_timeout=HEAD_SECONDS,
            shutdown_timeout=LAST_REQUESTS_SECONDS,
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: it is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._tls)
        await site.start()
        chosen: int = self._runner.addresses[0][1]
        return chosen

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()


def _errors() -> logging.Logger:
    """Where our faults are logged; who sends what is no HTTP is told so, and is no news."""
    logger = logging.getLogger(f"{__name__}.requests")
    logger.addFilter(_ours)
    return logger


def _ours(record: logging.LogRecord) -> bool:
    theirs = HttpProcessingError, web.RequestPayloadError, web.HTTPRequestTimeout
    return not (record.exc_info and isinstance(record.exc_info[1], theirs))
