"""Is the gateway alive, and are its stages there?"""

from aiohttp import web

from gateway.stages.directory import Stages
from services.runtime.admission import Admission


class Health:
    """For probes; no key is asked for.

    Args:
        stages: whose health counts.
        admission: tells whether conversations are let in at all.
    """

    def __init__(self, stages: Stages, admission: Admission) -> None:
        self._stages = stages
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """``/healthz`` and ``/readyz``."""
        return [web.get("/healthz", self.healthz), web.get("/readyz", self.readyz)]

    async def healthz(self, _request: web.Request) -> web.Response:
        """Tells that this process answers."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Tells whether a conversation would be answered, or what is missing."""
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
