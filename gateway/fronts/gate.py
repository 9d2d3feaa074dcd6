"""The gate before everything under ``/v1/``: origin, key, limits. Who has passed is in ``request[CALLER]``."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from aiohttp import web

from gateway.access import Access, Caller
from gateway.access.access import no_secrets
from gateway.access.limits import refuse
from gateway.access.origins import Origins
from gateway.fronts.http_telemetry import REQUEST_ID
from gateway.fronts.openai.errors import Handler
from services.runtime.admission import Admission
from services.runtime.errors import Full, Unavailable
from services.runtime.telemetry import metrics

GUARDED = "/v1/"
REALTIME = "/v1/realtime"
SECRETS = "/v1/realtime/client_secrets"
WORK = ("/v1/audio/", "/v1/chat/")
"""Where a request is work for the stages."""

BODY_SECONDS = 60.0
"""For a request's body to come."""

PREFLIGHT_SECONDS = 600
"""A browser need not ask again for so long."""

CALLER = web.RequestKey("caller", Caller)
_ALLOWED = web.RequestKey("allowed", str)


class Gate:
    """Middleware that lets requests pass, or answers why not.

    Args:
        access: knows the keys.
        origins: knows the web pages.
        admission: tells when the gateway is going away.
        streams: requests that are worked on at once.
    """

    def __init__(
        self, access: Access, origins: Origins, admission: Admission, streams: int
    ) -> None:
        self._access = access
        self._origins = origins
        self._admission = admission
        self._streams = streams
        self._open: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

    def install(self, application: web.Application) -> None:
        """Stand before an application's handlers."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not _address(request).startswith(GUARDED):
                return await handler(request)
            return await self._pass(request, handler)

        application.middlewares.append(gate)
        application.on_response_prepare.append(_add_headers)
        application.on_response_prepare.append(self._send_away)

    async def idle(self) -> None:
        """Wait until no request is worked on."""
        await self._idle.wait()

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Origin")
        # A browser asks first without the key, so that here those of all keys count.
        self._check_origin(request, sent, self._access.origins)
        if sent is not None:
            request[_ALLOWED] = sent
        if _is_preflight(request):
            return _preflight(request)
        caller = self._access.caller(request)
        self._check_origin(request, sent, caller.origins)
        request[CALLER] = caller
        if not _opens_a_conversation(request):
            no_secrets(caller)
            self._access.request(caller)
        work = request.method == "POST" and _address(request).startswith(WORK)
        late = asyncio.get_running_loop().call_later(BODY_SECONDS, _too_slow, request)
        try:
            with self._place(caller) if work else nullcontext():
                return await handler(request)
        finally:
            late.cancel()

    def _check_origin(
        self, request: web.Request, sent: str | None, more: tuple[str, ...]
    ) -> None:
        self._origins.check(sent, request.scheme, request.host, more)

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        """One of the places for work.

        These are not conversations' places: a conversation is kept up in real time, a request takes its turn. Where there are
        several keys, one has half of them: it holds its place while its body comes, as slowly as it likes.

        Raises:
            Unavailable: the gateway is going away.
            Full: no place is free.
            TooMuch: the caller has as many as one may.
        """
        if self._admission.draining:
            raise Unavailable("this gateway is shutting down; try another")
        if self._open.total() >= self._streams:
            metrics.ACCESS_REFUSALS.labels("busy").inc()
            raise Full(
                f"this gateway works on {self._streams} requests already; try again soon"
            )
        share = max(1, self._streams // 2)
        if self._access.several and self._open[caller.name] >= share:
            raise refuse(
                "share",
                f"{share} requests of this key are worked on already",
                retry_after=1.0,
            )
        self._open[caller.name] += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open[caller.name] -= 1
            if not self._open.total():
                self._idle.set()

    async def _send_away(
        self, _request: web.Request, response: web.StreamResponse
    ) -> None:
        """Have whoever comes again find another gateway, which they would not over the connection that they have."""
        if self._admission.draining and not isinstance(response, web.WebSocketResponse):
            response.force_close()
            response.headers["Connection"] = "close"


def _address(request: web.Request) -> str:
    """The path of the route that answers: of one path there are many spellings."""
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical


def _opens_a_conversation(request: web.Request) -> bool:
    address = _address(request)
    return address != SECRETS and (
        address == REALTIME or address.startswith(f"{REALTIME}/")
    )


def _is_preflight(request: web.Request) -> bool:
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def _preflight(request: web.Request) -> web.Response:
    headers = {
        "Access-Control-Allow-Methods": "GET, POST, DELETE",
        # Stock clients send headers of their own, such as X-Stainless-Lang; none of them gives a right.
        "Access-Control-Allow-Headers": request.headers.get(
            "Access-Control-Request-Headers", "Authorization, Content-Type"
        ),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=headers)


def _too_slow(request: web.Request) -> None:
    if not request.content.is_eof():
        problem = web.HTTPRequestTimeout(
            text=f"the request's body did not come within {BODY_SECONDS:g} s"
        )
        request.content.set_exception(problem)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    if response.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if _address(request).startswith(GUARDED):
        # The answer depends on it, also where it is the answer to none.
        response.headers.add("Vary", "Origin")
    if _ALLOWED in request:
        response.headers["Access-Control-Allow-Origin"] = request[_ALLOWED]
        response.headers["Access-Control-Expose-Headers"] = (
            f"Location, Retry-After, {REQUEST_ID}"
        )
