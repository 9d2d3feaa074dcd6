"""HTTP as an `AsyncInferenceClient` needs it here: one client object a request, one pool of connections an upstream.

The library keeps every streamed response open until its client object is closed, and closes its connections with
it. So each request gets a client object of its own, closed with the request, and all of them are given the same
`KeptClient`, which stays open between them with its connections (and their TLS sessions).
"""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import httpx2
from huggingface_hub import constants, set_async_client_factory
from opentelemetry import trace

from services.runtime.telemetry import names

# To report what runs it, the library would ask the Hub for a list of such tools: in the first turn, on the event loop, and
# for 3 s where the Hub does not answer.
constants.HF_HUB_DISABLE_TELEMETRY = True

KEEP_IDLE_SECONDS = 300.0
"""How long an idle connection is kept: longer than a pause in a conversation."""
LONGEST_LINE = 8 * 1024 * 1024
"""Bytes; twice what one message of the contract can carry on."""
_ERROR_BODY_BYTES = 16_384
_LAST_BYTES_SECONDS = 0.5
_DONE = b"data: [DONE]"
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
_CONNECTED = "antiphon.connected"
_PORTS = {"http": 80, "https": 443}

_current: ContextVar["KeptClient"] = ContextVar("antiphon_http_client")


class Rejected(Exception):
    """The server answered with another status than 200.

    Attributes:
        status: of HTTP.
        headers: of the response.
        body: the beginning of it, as text, without our key.
    """

    def __init__(self, status: int, headers: httpx2.Headers, body: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.body = body


class KeptClient(httpx2.AsyncClient):
    """An HTTP client that outlives the requests which enter and leave it; end it with `aclose`."""

    def __init__(self, connect_timeout: float, send_key: bool) -> None:
        """Open nothing yet.

        Args:
            connect_timeout: seconds for a connection to stand; everything after is the caller's to time.
            send_key: whether requests carry an ``Authorization`` header. The library fills in a Hugging Face token
                of this machine where it is given none, which is nobody else's business.
        """
        super().__init__(
            event_hooks={"request": [self._before], "response": [_after]},
            limits=httpx2.Limits(
                max_connections=None, keepalive_expiry=KEEP_IDLE_SECONDS
            ),
            # A proxy that the environment names is not meant for this machine.
            mounts=dict.fromkeys(_LOOPBACK),
        )
        self._phase_limits = httpx2.Timeout(None, connect=connect_timeout)
        self._send_key = send_key
        set_async_client_factory(_current.get)

    def use(self) -> None:
        """Let library clients made in this task from now on go through here."""
        _current.set(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Leave the connections open for the next request."""

    async def _before(self, request: httpx2.Request) -> None:
        if not self._send_key:
            request.headers.pop("authorization", None)
        url = request.url
        trace.get_current_span().set_attributes(
            {
                names.SERVER_ADDRESS: url.host,
                names.SERVER_PORT: url.port or _PORTS[url.scheme],
            }
        )

        async def note(event: str, _info: dict[str, Any]) -> None:
            if event == "connection.connect_tcp.started":
                request.extensions[_CONNECTED] = True

        request.extensions = {
            **request.extensions,
            "timeout": self._phase_limits.as_dict(),
            "trace": note,
        }


def was_kept(error: httpx2.RequestError) -> bool:
    """Whether a request failed on a connection kept from an earlier one, which the server may have closed since."""
    return _CONNECTED not in error.request.extensions


async def _after(response: httpx2.Response) -> None:
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _ReadToEnd(response.stream)
    trace.get_current_span().set_attribute(names.HTTP_STATUS_CODE, response.status_code)
    if response.status_code == 200:
        return
    body = b""
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) >= _ERROR_BODY_BYTES:
                break
    except httpx2.DecodingError:
        pass  # the status says enough
    text = body[:_ERROR_BODY_BYTES].decode(errors="replace")
    raise Rejected(
        response.status_code, response.headers, _without_key(text, response.request)
    )


def _without_key(text: str, request: httpx2.Request) -> str:
    """The text without the request's key, which some servers repeat where they refuse it."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    return text.replace(key, "(key)") if key else text


class _ReadToEnd(httpx2.AsyncByteStream):
    """A response body that, once its server has said it is done, is read to its end before it is closed.

    Whoever parses the events stops at ``[DONE]``; a connection with an unread end could not be used again. A line
    that has no end fails, since the parser would keep all of it.
    """

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self._parts = stream.__aiter__()
        self._tail = b""
        self._line = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await anext(self._parts)
        ended = part.rfind(b"\n") + 1
        self._line = len(part) - ended if ended else self._line + len(part)
        if self._line > LONGEST_LINE:
            raise httpx2.DecodingError(f"a line of more than {LONGEST_LINE} bytes")
        self._tail = (self._tail + part)[-64:]
        return part

    async def aclose(self) -> None:
        try:
            if self._tail.rstrip().endswith(_DONE):
                async with asyncio.timeout(_LAST_BYTES_SECONDS):
                    async for _ in self._parts:
                        pass
        except (TimeoutError, httpx2.TransportError):
            pass  # the connection is closed instead of kept
        finally:
            # The pool never forgets a request, prompt and all, whose closing was cancelled.
            closing = asyncio.ensure_future(self._stream.aclose())
            try:
                await asyncio.shield(closing)
            finally:
                await asyncio.wait({closing})
