"""``GET /v1/realtime``: a Realtime connection over a WebSocket."""

import asyncio
import json
from contextlib import ExitStack, suppress

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.access import Access, Caller
from gateway.conversation.values import Ending
from gateway.fronts.gate import CALLER
from gateway.fronts.realtime.connection import Connection, Event
from gateway.fronts.realtime.errors import WireError, from_antiphon
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.sessions import Sessions
from services.runtime.admission import Admission
from services.runtime.errors import (
    AntiphonError,
    Full,
    InvalidArgument,
    TooMuch,
    Unavailable,
)
from services.runtime.logs import get_logger

log = get_logger(__name__)

HEARTBEAT_SECONDS = 20.0
"""Between pings; a client that answers none is gone."""

CLOSE_SECONDS = 2.0
"""For a client to answer that the connection is closed."""

LONGEST_REASON = 123
"""Bytes of a close frame's reason (RFC 6455, section 5.5.1)."""

_NOT_UNDERSTOOD: dict[int, bytes] = {
    WSCloseCode.PROTOCOL_ERROR: b"what came is no frame of a WebSocket",
    WSCloseCode.INVALID_TEXT: b"a text message is not UTF-8",
}
"""Why aiohttp closes a connection by itself."""

_ENDINGS = {
    Ending.CLIENT: (WSCloseCode.OK, "the conversation is over"),
    Ending.DRAINING: (
        WSCloseCode.GOING_AWAY,
        "this gateway is shutting down; try another",
    ),
    Ending.IDLE: (
        WSCloseCode.POLICY_VIOLATION,
        "nobody has said anything for too long",
    ),
    Ending.TOO_LONG: (
        WSCloseCode.POLICY_VIOLATION,
        "the conversation has lasted as long as it may",
    ),
}

_GOODBYES = (WSCloseCode.OK, WSCloseCode.GOING_AWAY, 1005)
"""Codes with which clients close; 1005 stands for none (RFC 6455, section 7.1.5)."""


class RealtimeWebSocket:
    """Takes WebSocket connections.

    Args:
        sessions: opens conversations.
        access: counts what callers use.
        admission: tells how many conversations there are.
    """

    def __init__(
        self, sessions: Sessions, access: Access, admission: Admission
    ) -> None:
        self._sessions = sessions
        self._access = access
        self._admission = admission

    def routes(self) -> list[web.RouteDef]:
        """Where it is to be found."""
        return [web.get("/v1/realtime", self._connect)]

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        """A conversation in OpenAI's Realtime protocol, over a WebSocket."""
        caller = request[CALLER]
        socket = _WebSocket(caller.limits.message_bytes)
        if not socket.can_prepare(request):
            raise InvalidArgument("", "this address takes WebSocket connections")
        await socket.prepare(request)
        code, reason = await self._serve(request, socket, caller)
        try:
            async with asyncio.timeout(2 * CLOSE_SECONDS):
                await socket.close(code=code, message=_shortened(reason))
        except TimeoutError:
            # It has stopped reading, and so would never hear of it.
            if request.transport is not None:
                request.transport.abort()
        return socket

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, caller: Caller
    ) -> tuple[int, str]:
        """Hold the conversation; returns how the connection is to be closed.

        Whatever is wrong with it is told after the upgrade: before it, most clients can tell nobody.
        """
        transport = _Socket(socket)
        with ExitStack() as held:
            try:
                session = opening(caller, request.query.get("model"))
                held.enter_context(self._admission.stream())
                meter = held.enter_context(self._access.conversation(caller))
            except (WireError, AntiphonError) as error:
                await transport.refuse(error)
                return _closing(error)
            connection = Connection(
                self._sessions, transport, session, meter, caller.realtime_rate
            )
            return await _hold(socket, connection)


def opening(caller: Caller, model: str | None) -> RealtimeSession:
    """What a caller's conversation begins with: what their client secret was made for, and the model they name.

    Raises:
        WireError: that is no session.
    """
    session = RealtimeSession().merged(caller.session or {})
    # A secret's holder gets the session that it was made for, and no other model.
    if model is None or session.model is not None:
        return session
    return session.merged({"model": model})


async def _hold(
    socket: web.WebSocketResponse, connection: Connection
) -> tuple[int, str]:
    holding = asyncio.create_task(connection.run())
    reading = asyncio.create_task(_read(socket, connection))
    tasks = {holding, reading}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            return _ENDINGS[holding.result()]
        reading.result()
        return WSCloseCode.OK, ""
    except (WireError, AntiphonError) as error:
        return _closing(error)
    except ConnectionError:
        # It was cut while something was being sent; reading it would have told so as well.
        return WSCloseCode.OK, ""
    except Exception as error:
        log.exception("a Realtime connection failed")
        return WSCloseCode.INTERNAL_ERROR, f"{type(error).__name__} in the gateway"
    finally:
        # Whoever closes it may be gone before what is read says so.
        if socket.close_code in _GOODBYES:
            connection.left()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(socket: web.WebSocketResponse, connection: Connection) -> None:
    """Take what the client sends until it goes."""
    async for message in socket:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await connection.take(message.data)


class _WebSocket(web.WebSocketResponse):
    """A WebSocket that says why it is closed, also where aiohttp closes it.

    Args:
        largest: message, in bytes.
    """

    def __init__(self, largest: int) -> None:
        super().__init__(
            protocols=("realtime",),
            # Audio does not get smaller, and the attempt costs more than all the rest.
            compress=False,
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=largest,
            timeout=CLOSE_SECONDS,
        )
        self._largest = largest

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close it; returns whether it was open."""
        message = message or _NOT_UNDERSTOOD.get(code, b"")
        if code == WSCloseCode.MESSAGE_TOO_BIG and not self.closed:
            why = f"the message has more than {self._largest} bytes"
            told = WireError(why, code="message_too_large")
            with suppress(ConnectionError):
                await self.send_str(json.dumps(told.to_event("event_last")))
            message = why.encode()
        return await super().close(code=code, message=message, drain=drain)


class _Socket:
    """A WebSocket as what carries a connection: audio goes in events, and nothing is played here."""

    speaker = None

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, event: Event) -> None:
        await self._socket.send_str(json.dumps(event, separators=(",", ":")))

    async def refuse(self, error: WireError | AntiphonError) -> None:
        """The one event of a connection that does not come about."""
        told = error if isinstance(error, WireError) else from_antiphon(error)
        await self.send(told.to_event("event_1"))


def _closing(error: WireError | AntiphonError) -> tuple[int, str]:
    match error:
        case Full() | Unavailable():
            return WSCloseCode.TRY_AGAIN_LATER, error.message
        case WireError() | TooMuch() | InvalidArgument():
            return WSCloseCode.POLICY_VIOLATION, error.message
        case _:
            return WSCloseCode.INTERNAL_ERROR, error.message


def _shortened(reason: str) -> bytes:
    return reason.encode()[:LONGEST_REASON].decode(errors="ignore").encode()
