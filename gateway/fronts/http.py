"""The HTTP front: is the gateway alive, and are its stages there?"""

import logging

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.stages.directory import Stages
from services.runtime.admission import Admission


class HttpFront:
    """``/healthz``: this process answers. ``/readyz``: a conversation would be answered, or what is missing.

    Args:
        stages: whose health counts.
        admission: tells whether conversations are let in at all.
    """

    def __init__(self, stages: Stages, admission: Admission) -> None:
        self._stages = stages
        self._admission = admission
        application = web.Application()
        application.add_routes(
            [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]
        )
        self._runner = web.AppRunner(application, access_log=None, logger=_errors())

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: it is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        chosen: int = self._runner.addresses[0][1]
        return chosen

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        health = await self._stages.health()
        ready = not self._admission.draining and all(
            status == "SERVING" for status in health.values()
        )
        status = (
            "draining"
            if self._admission.draining
            else "ready"
            if ready
            else "not ready"
        )
        body = {"status": status, "stages": health}
        return web.json_response(body, status=200 if ready else 503)


def _errors() -> logging.Logger:
    """Where our faults are logged; who sends what is no HTTP is told so, and is no news."""
    logger = logging.getLogger(f"{__name__}.requests")
    logger.addFilter(_ours)
    return logger


def _ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
