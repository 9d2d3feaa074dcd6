"""The other end of a call: a data channel for events, and a track of audio each way."""

import asyncio
import json
from collections.abc import Callable

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidStateError

from gateway.fronts.realtime import fragments, offers
from gateway.fronts.realtime.errors import SERVER, WireError
from gateway.fronts.realtime.ice import Ice
from gateway.fronts.realtime.tracks import IncomingAudio, OutgoingTrack
from gateway.fronts.realtime.transport import Event
from services.runtime.errors import InvalidArgument, TooMuch, Unavailable

CHANNEL = "oai-events"
"""The label of the data channel that carries events; others are not listened to."""

CONNECT_SECONDS = 20.0
"""For a client that was answered to connect and to open its data channel."""

GOODBYE_SECONDS = 1.0
"""For the last events to arrive."""

MOST_UNREAD = 256
"""Messages of a client that nobody has read yet."""

MOST_UNSENT = 256 * 1024
"""Bytes of events that the client has not taken yet; with more, the next one waits."""


class Peer:
    """Carries a `Connection` over WebRTC.

    Args:
        ice: how clients find the gateway.

    Attributes:
        tell_playing: is told when sound begins to go out, and when the last of it has.
        speaker: plays the answers.
    """

    def __init__(self, ice: Ice) -> None:
        servers = [
            RTCIceServer(
                urls=url, username=ice.username or None, credential=ice.password
            )
            for url in ice.servers
        ]
        self.tell_playing: Callable[[bool], None] = lambda _playing: None
        self._address = ice.address
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._channel: RTCDataChannel | None = None
        self._opened = asyncio.Event()
        self._drained = asyncio.Event()
        self._gone = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._messages: asyncio.Queue[str | bytes] = asyncio.Queue(MOST_UNREAD)
        self._incoming = IncomingAudio(self._give_up)
        self.speaker = OutgoingTrack(
            lambda playing: self.tell_playing(playing), self._give_up
        )

    # --- the call -----------------------------------------------------------------------------------------

    async def answer(self, offer: str) -> str:
        """Take an offer.

        Returns:
            The answer, with all that a client needs to connect.

        Raises:
            InvalidArgument: the offer cannot be taken.
            Unavailable: there is nowhere to be reached at.
        """
        offer = offers.checked(offer)
        self._connection.addTrack(self.speaker)
        (transceiver,) = self._connection.getTransceivers()
        transceiver.setCodecPreferences(
            [
                codec
                for codec in RTCRtpSender.getCapabilities("audio").codecs
                if codec.mimeType == "audio/opus"
            ]
        )
        self._incoming.tap(transceiver.receiver)
        self._connection.on("datachannel", self._take_channel)
        self._connection.on("connectionstatechange", self._look)
        try:
            await self._connection.setRemoteDescription(
                RTCSessionDescription(offer, "offer")
            )
            if self._connection.sctp is not None:
                fragments.bound(self._connection.sctp, self._give_up)
            await self._connection.setLocalDescription()
        except Exception as error:  # aiortc's errors share no base, and name what they miss in the offer
            problem = f"cannot be answered: {type(error).__name__} {error}".rstrip()
            raise InvalidArgument(offers.FIELD, problem, offers.WANTED) from error
        return offers.announced(self._connection.localDescription.sdp, self._address)

    async def opened(self) -> None:
        """Wait until events can be exchanged.

        Raises:
            Unavailable: the client did not come.
            ConnectionError: it has gone.
        """
        over = asyncio.create_task(self._over.wait())
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait(
                {over, opened},
                timeout=CONNECT_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            over.cancel()
            opened.cancel()
            await asyncio.wait({over, opened})
        if self._over.is_set():
            raise ConnectionError("the client has gone")
        if not self._opened.is_set():
            raise Unavailable(
                f"the client did not open {CHANNEL} within {CONNECT_SECONDS:g} s"
            )

    async def over(self) -> None:
        """Wait until the client has gone.

        Raises:
            BaseException: it could not be listened to any longer.
        """
        await self._over.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def left(self) -> bool:
        """Whether the client has closed it; no: it is still there, or was lost."""
        return self._gone.is_set() and self._connection.connectionState != "failed"

    async def say_goodbye(self) -> None:
        """Let the last events arrive, and tell the client that there are no more."""
        if self._channel is None or self._gone.is_set():
            return
        self._channel.close()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            # A client that does not answer has been told all the same.
            return

    async def close(self) -> None:
        """Free everything."""
        self._incoming.close()
        self.speaker.stop()
        await self._connection.close()

    # --- what comes ---------------------------------------------------------------------------------------

    async def message(self) -> str | bytes:
        """The client's next message."""
        return await self._messages.get()

    async def heard(self) -> tuple[bytes, float]:
        """What the client said since this was last asked, PCM16 mono at 16,000 Hz, and when the last of it arrived."""
        return await self._incoming.next()

    # --- what goes ----------------------------------------------------------------------------------------

    async def send(self, event: Event) -> None:
        """One server event, in order; waits for a slow client.

        Raises:
            ConnectionError: the client has gone.
        """
        channel = self._channel
        if channel is None:
            raise ConnectionError("the client has not come yet")
        while channel.bufferedAmount > MOST_UNSENT and not self._gone.is_set():
            self._drained.clear()
            await self._drained.wait()
        if self._gone.is_set():
            raise ConnectionError("the client has gone")
        try:
            _send(channel, event)
        except ValueError as error:
            # It is larger than what the client takes in one message, and it has to know that there was one.
            problem = f"{event['type']} could not be sent: {error}"
            told = WireError(problem, type=SERVER, code="event_too_large")
            _send(channel, told.to_event(event["event_id"]))
        except InvalidStateError:
            raise ConnectionError("the client has gone") from None

    # --- what aiortc tells --------------------------------------------------------------------------------

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = MOST_UNSENT // 2
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("close", self._end)
        self._opened.set()

    def _take(self, message: str | bytes) -> None:
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self._give_up(
                TooMuch(f"the client sent {MOST_UNREAD} messages ahead; send less")
            )

    def _look(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self._end()

    def _end(self) -> None:
        self._gone.set()
        self._over.set()
        # Whoever waits to send something need not wait any longer.
        self._drained.set()

    def _give_up(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._over.set()


def _send(channel: RTCDataChannel, event: Event) -> None:
    channel.send(json.dumps(event, separators=(",", ":")))
