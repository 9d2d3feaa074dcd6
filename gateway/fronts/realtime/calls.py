"""``/v1/realtime/calls``: Realtime connections over WebRTC."""

import asyncio
import secrets
from contextlib import ExitStack, suppress
from typing import Any

from aiohttp import hdrs, web

from gateway.access import Access, Caller
from gateway.fronts.gate import CALLER
from gateway.fronts.openai.errors import NotFound
from gateway.fronts.realtime.connection import LAST_EVENT_SECONDS, Connection
from gateway.fronts.realtime.errors import WireError, from_antiphon
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.ice import to_ice
from gateway.fronts.realtime.manner import to_options
from gateway.fronts.realtime.over_http import json_object, refusal
from gateway.fronts.realtime.peer import Peer
from gateway.fronts.realtime.websocket import opening
from gateway.sessions import Sessions
from services.runtime.admission import Admission
from services.runtime.errors import AntiphonError, InvalidArgument, Unavailable
from services.runtime.logs import get_logger

log = get_logger(__name__)

PATH = "/v1/realtime/calls"

SDP = "application/sdp"

FORM = "multipart/form-data"

LONGEST_REQUEST = 1024 * 1024
"""Bytes of an offer and a session."""


class Call:
    """One call, from its offer until everything of it is gone.

    Args:
        caller: whose it is.

    Attributes:
        id: of the call.
        caller: whose it is.
        answered: the answer to the offer, or why there is none.
    """

    def __init__(self, caller: Caller) -> None:
        self.id = f"rtc_{secrets.token_hex(16)}"
        self.caller = caller
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._connection: Connection | None = None

    async def hold(self, peer: Peer, connection: Connection) -> None:
        """Talk until either side ends it.

        Raises:
            WireError: the conversation could not begin; the client has been told.
            AntiphonError: it could not go on; the client has been told.
            ConnectionError: the client is gone.
        """
        await peer.opened()
        self._connection = connection
        holding: asyncio.Task[Any] = asyncio.create_task(connection.run())
        others = (
            _take(peer, connection),
            _hear(peer, connection),
            peer.over(),
        )
        tasks = {holding, *(asyncio.ensure_future(other) for other in others)}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if peer.left and not holding.done():
                connection.left()
        except AntiphonError as error:
            if not holding.done():
                await _say_why(peer, error)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def hung_up(self) -> None:
        """The client is about to end it by a request."""
        if self._connection is not None:
            self._connection.left()


class Calls:
    """Takes calls.

    Args:
        sessions: opens conversations.
        access: counts what callers use.
        admission: tells how many conversations there are.

    Raises:
        FailedPrecondition: the settings do not say how clients find the gateway.
    """

    def __init__(
        self, sessions: Sessions, access: Access, admission: Admission
    ) -> None:
        self._sessions = sessions
        self._access = access
        self._admission = admission
        self._ice = to_ice(sessions.settings)
        self._calls: dict[str, tuple[Call, asyncio.Task[None]]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Where they are taken, and ended."""
        return [
            web.post(PATH, self._create),
            web.post(PATH + "/{id}/hangup", self._hang_up),
            web.delete(PATH + "/{id}", self._delete),
        ]

    @property
    def open(self) -> int:
        """How many calls there are."""
        return len(self._calls)

    async def close(self) -> None:
        """End all calls at once."""
        tasks = [task for _, task in self._calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """A conversation in OpenAI's Realtime protocol, over WebRTC: takes an SDP offer, returns the answer."""
        caller = request[CALLER]
        try:
            offer, session = await self._asked(request, caller)
        except WireError as error:
            return refusal(error)
        call = Call(caller)
        task = asyncio.create_task(self._serve(call, offer, session))
        self._calls[call.id] = call, task
        task.add_done_callback(lambda _task: self._calls.pop(call.id))
        try:
            either: set[asyncio.Future[Any]] = {task, call.answered}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Whoever asked has left.
            task.cancel()
            raise
        if not call.answered.done():
            raise Unavailable("this gateway is shutting down; try another")
        location = {hdrs.LOCATION: f"{PATH}/{call.id}"}
        return web.Response(
            body=call.answered.result().encode(),
            status=201,
            content_type=SDP,
            headers=location,
        )

    async def _hang_up(self, request: web.Request) -> web.StreamResponse:
        """End a call."""
        await self._end(request)
        return web.Response()

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        """End a call."""
        await self._end(request)
        return web.Response(status=204)

    async def _end(self, request: web.Request) -> None:
        caller = request[CALLER]
        id = request.match_info["id"]
        call, task = self._calls.get(id, (None, None))
        # To somebody else it is as if there were none.
        if call is None or task is None or call.caller.name != caller.name:
            raise NotFound("", f"there is no call {id!r:.60}", "call_not_found")
        call.hung_up()
        task.cancel()
        await asyncio.wait({task})

    async def _asked(
        self, request: web.Request, caller: Caller
    ) -> tuple[str, RealtimeSession]:
        """The offer, and what the conversation begins with.

        Raises:
            WireError: the session cannot be.
            InvalidArgument: the request is not as it must be.
        """
        offer, given = await _read(request)
        session = opening(caller, request.query.get("model"))
        if caller.session is not None and session.model is not None:
            given.pop("model", None)
        session = session.merged(given)
        abilities = await self._sessions.stages.abilities()
        # What a stage cannot do is better refused here than after the call has come about.
        to_options(session, self._sessions.settings, abilities, caller.realtime_rate)
        return offer, session

    async def _serve(self, call: Call, offer: str, session: RealtimeSession) -> None:
        """Hold a call; whatever becomes of it, nothing of it is left."""
        try:
            with ExitStack() as held:
                held.enter_context(self._admission.stream())
                meter = held.enter_context(self._access.conversation(call.caller))
                peer = Peer(self._ice)
                try:
                    answer = await peer.answer(offer)
                    call.answered.set_result(answer)
                    connection = Connection(
                        self._sessions,
                        peer,
                        session,
                        meter,
                        call.caller.realtime_rate,
                    )
                    peer.tell_playing = connection.playing
                    try:
                        await call.hold(peer, connection)
                    finally:
                        await peer.say_goodbye()
                finally:
                    await peer.close()
        except (AntiphonError, WireError, ConnectionError) as error:
            if not call.answered.done():
                call.answered.set_exception(error)
            else:
                log.info("a call ended", call=call.id, reason=str(error))
        except Exception as error:
            if not call.answered.done():
                call.answered.set_exception(error)
            else:
                log.exception("a call failed", call=call.id)


async def _take(peer: Peer, connection: Connection) -> None:
    """Take the client's events as they come."""
    while True:
        await connection.take(await peer.message())


async def _hear(peer: Peer, connection: Connection) -> None:
    """Listen to what the client says."""
    while True:
        samples, arrived = await peer.heard()
        await connection.hear(samples, arrived)


async def _say_why(peer: Peer, error: AntiphonError) -> None:
    """Tell the client why the call ends, if it still listens."""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(LAST_EVENT_SECONDS):
            await peer.send(from_antiphon(error).to_event("event_last"))


async def _read(request: web.Request) -> tuple[str, dict[str, Any]]:
    """The offer, and the session that goes with it.

    Raises:
        WireError: the session is no JSON.
        InvalidArgument: the request is not as it must be.
    """
    request = request.clone(client_max_size=LONGEST_REQUEST)
    if request.content_type == SDP:
        return _text(await request.read(), "sdp"), {}
    if request.content_type != FORM:
        raise InvalidArgument(
            "Content-Type", f"is {request.content_type!r:.80}", f"{SDP} or {FORM}"
        )
    try:
        form = await request.post()
    except (ValueError, AssertionError) as error:
        raise InvalidArgument("", f"the form cannot be read: {error}") from None
    for field in form:
        if field not in ("sdp", "session"):
            raise InvalidArgument(field, "is not known", "sdp, session")
    if "sdp" not in form:
        raise InvalidArgument("sdp", "is missing")
    session = form.get("session", b"")
    return _part(form["sdp"], "sdp"), json_object(_part(session, "session"), "session")


def _part(part: str | bytes | bytearray | web.FileField, field: str) -> str:
    """What a part of a form says, however its client labelled it."""
    if isinstance(part, web.FileField):
        return _text(part.file.read(), field)
    return part if isinstance(part, str) else _text(bytes(part), field)


def _text(data: bytes, field: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidArgument(field, "is not UTF-8 text") from None
