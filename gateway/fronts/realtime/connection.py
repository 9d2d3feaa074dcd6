"""One Realtime connection, whatever carries it: a client's events in, the conversation's events out."""

import asyncio
from contextlib import suppress

from gateway.access import Meter
from gateway.conversation import commands as c
from gateway.conversation.values import Ending, Outcome
from gateway.fronts.realtime import schema
from gateway.fronts.realtime.beside import Beside
from gateway.fronts.realtime.client_events import Clerk
from gateway.fronts.realtime.errors import (
    INVALID_JSON,
    INVALID_REQUEST,
    SERVER,
    WireError,
    answer_to,
    from_antiphon,
)
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.holding import Holding
from gateway.fronts.realtime.outbox import Outbox
from gateway.fronts.realtime.recordings import Recordings
from gateway.fronts.realtime.responses import Response
from gateway.fronts.realtime.server_events import truncated
from gateway.fronts.realtime.sound import Sound
from gateway.fronts.realtime.transport import Event, Transport
from gateway.fronts.realtime.wishes import DEFAULT_RATE
from gateway.session import Session
from gateway.sessions import Sessions
from services.runtime.errors import AntiphonError, TooMuch

STUCK_SECONDS = 30.0
"""For a client to take one event."""

LAST_EVENT_SECONDS = 1.0
"""For it to take the one that says why there will be no more."""

_ENDINGS = {
    Ending.DRAINING: (
        SERVER,
        "service_unavailable",
        "this gateway is shutting down; try another",
    ),
    Ending.IDLE: (
        INVALID_REQUEST,
        "session_expired",
        "nobody has said anything for too long",
    ),
    Ending.TOO_LONG: (
        INVALID_REQUEST,
        "session_expired",
        "the conversation has lasted as long as it may",
    ),
}
"""What a client is told whose conversation ends without its doing."""


_CUT = (Outcome.INTERRUPTED, Outcome.CANCELLED, Outcome.FAILED)
"""What becomes of an answer that was not heard to its end."""


class Connection:
    """Holds one conversation for one client.

    Args:
        sessions: opens the conversation.
        transport: to the client.
        session: what it begins with.
        meter: of the client; None for one without limits.
        default_rate: Hz that is meant by audio whose rate is left open.
    """

    def __init__(
        self,
        sessions: Sessions,
        transport: Transport,
        session: RealtimeSession,
        meter: Meter | None = None,
        default_rate: int = DEFAULT_RATE,
    ) -> None:
        self._sessions = sessions
        self._transport = transport
        self._wanted = session
        self._meter = meter
        self._rate = default_rate
        self._outbox = Outbox()
        put = self._outbox.put
        speaker = transport.speaker
        self._sound = None if speaker is None else Sound(speaker, put)
        self._heard_until = 0.0
        self._cause: schema.ClientEvent | None = None
        self._session: Session
        self._holding: Holding
        self._recordings: Recordings
        self._clerk: Clerk
        self._ending: Ending
        self._opened = asyncio.Event()
        self._over = asyncio.Event()

    async def run(self) -> Ending:
        """From ``session.created`` until the conversation is over.

        Cancelling it ends the conversation at once, and everything that it opened.
        Whatever the reason, a client that still listens has been told by an ``error`` event.

        Raises:
            WireError: what it was to begin with cannot be.
            AntiphonError: it could not begin, or could not go on.
            ConnectionError: the client is gone.
        """
        try:
            return await self._hold()
        except ConnectionError:
            raise
        except WireError as error:
            await self._say_why(error)
            raise
        except AntiphonError as error:
            await self._say_why(from_antiphon(error))
            raise
        except Exception as error:
            problem = f"{type(error).__name__} in the gateway; see its log"
            await self._say_why(WireError(problem, type=SERVER, code="internal_error"))
            raise

    async def take(self, message: str | bytes) -> None:
        """One client event; what is wrong with it goes out as an ``error`` event."""
        # What has come already is handed over without a pause: others are to have theirs as well.
        await asyncio.sleep(0)
        if self._outbox.given_up:
            return
        arrived = asyncio.get_running_loop().time()
        try:
            if self._meter is not None:
                self._meter.message(len(message))
            await self._opened.wait()
            # Whoever does not read what they are told is not listened to either.
            await self._outbox.room()
            await self._take(message, arrived)
        except Exception as error:  # noqa: BLE001  # whoever runs the connection is told
            self._outbox.fail(error)

    async def hear(self, samples: bytes, arrived: float) -> None:
        """The client's audio, where it does not come in events.

        Args:
            samples: PCM16 mono at 16,000 Hz.
            arrived: when, on the loop's clock.

        Raises:
            TooMuch: the client has used up what it may.
        """
        if self._meter is not None:
            self._meter.audio()
        await self._opened.wait()
        await self._clerk.listen(samples, arrived)

    def playing(self, playing: bool) -> None:
        """The track began to play what `Transport.play` gave it, or has played the last of it.

        Tells the client ``output_audio_buffer.started`` or ``.stopped``, each once a response.
        """
        if self._sound is not None:
            self._sound.playing(playing)

    def left(self) -> None:
        """The client has said good-bye."""
        if self._opened.is_set():
            self._session.left()

    # --- the conversation ---------------------------------------------------------------------------------

    async def _hold(self) -> Ending:
        holding = Holding(
            self._wanted,
            self._sessions.settings,
            await self._sessions.stages.abilities(),
            self._transport,
            self._meter,
            self._rate,
        )
        async with self._sessions.open(
            holding.options, self._deliver, self._outbox.fail
        ) as session:
            beside = Beside(self._sessions, self._outbox.put)
            self._session = session
            self._holding = holding
            self._recordings = Recordings(self._sessions.stages, session.id)
            self._clerk = Clerk(session, holding, self._outbox, beside, self._sound)
            self._clerk.tell_session("created")
            session.begin()
            self._opened.set()
            try:
                return await self._until_over(beside)
            finally:
                await beside.close()

    async def _until_over(self, beside: Beside) -> Ending:
        writing = asyncio.create_task(self._write())
        failing = asyncio.create_task(self._outbox.failed())
        closing = asyncio.create_task(self._close(beside))
        last = (writing, failing)
        tasks = (*last, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                closing.result()
                await asyncio.wait(last, return_when=asyncio.FIRST_COMPLETED)
            if failing.done():
                failing.result()
            return writing.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> Ending:
        """Send what there is to be told until it is over."""
        loop = asyncio.get_running_loop()
        stuck = TooMuch(f"the client has not taken an event for {STUCK_SECONDS:g} s")
        while not isinstance(event := await self._outbox.next(), Ending):
            timer = loop.call_later(STUCK_SECONDS, self._outbox.fail, stuck)
            try:
                await self._transport.send(event)
            finally:
                timer.cancel()
        return event

    async def _say_why(self, error: WireError) -> None:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LAST_EVENT_SECONDS):
                await self._transport.send(error.to_event("event_last"))

    # --- what the conversation tells ----------------------------------------------------------------------

    def _deliver(self, notice: c.Notice) -> None:
        teller, cause = self._clerk.teller, self._cause
        response = teller.response
        if self._sound is not None:
            self._sound.heed(notice, response)
        for event in teller.tell(notice, by_client=cause is not None):
            if event["type"] == "error" and cause is not None:
                answer_to(event["error"], cause.type, cause.event_id)
            self._outbox.put(event)
        if self._sound is not None and isinstance(notice, c.TellTurnEnded):
            self._sound.ended()
        match notice:
            case c.TellInterrupted(_, at):
                self._heard_until = at
            case c.TellTurnEnded(_, outcome) if outcome in _CUT:
                self._tell_cut(response)
            case c.Refuse():
                self._clerk.refused()
            case c.Close(_, why):
                self._ending = why
                self._over.set()

    def _tell_cut(self, response: Response | None) -> None:
        """Over WebRTC the server knows what was played, and so truncates without being asked."""
        if self._sound is not None and response is not None and response.item:
            self._outbox.put(truncated(response.item, self._heard_until))

    async def _close(self, beside: Beside) -> None:
        """Once the conversation is over, tell why; behind all that is said beside it, where the client is still there."""
        await self._over.wait()
        if self._ending in _ENDINGS:
            await beside.idle()
            kind, code, message = _ENDINGS[self._ending]
            self._outbox.put(WireError(message, type=kind, code=code).to_event(""))
        self._outbox.close(self._ending)

    # --- what the client says -----------------------------------------------------------------------------

    async def _take(self, message: str | bytes, arrived: float) -> None:
        try:
            event = schema.parse(_text(message))
        except WireError as error:
            self._outbox.put(error.to_event(""))
            return
        try:
            if isinstance(event, schema.AudioAppend):
                await self._clerk.hear(event, arrived)
            else:
                heard = await self._recordings.heard(event, self._holding)
                self._cause = event
                self._clerk.obey(heard)
        except WireError as error:
            error.event_id = event.event_id
            self._outbox.put(error.to_event(""))
        except AntiphonError as error:
            self._outbox.put(from_antiphon(error, event.event_id).to_event(""))
        finally:
            self._cause = None


def _text(message: str | bytes) -> str:
    """A message, which is to be text.

    Raises:
        WireError: it is not.
    """
    if isinstance(message, bytes):
        raise WireError(
            "the message is binary; allowed: text, one JSON object a message",
            code=INVALID_JSON,
        )
    return message


__all__ = ["Connection", "Event", "Transport"]
