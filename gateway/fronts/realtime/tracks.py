"""The two tracks of audio of a call: what the client says, and what it hears."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av.packet import Packet
from av.stream import Stream

from gateway.fronts.realtime import opus
from gateway.fronts.realtime.arrivals import Arrivals, Piece
from gateway.fronts.realtime.playout import Playout
from services.runtime.errors import TooMuch
from services.runtime.resample import Resampler

HEARD_RATE = 16_000
"""Hz of what is handed on of what the client says."""

LONGEST_UNHEARD = 10.0
"""Seconds of audio that nobody has listened to yet; with more the gateway does not keep up, and should not try to."""

BURST = 5.0
"""Seconds of audio that may come at once: what a network delivers late."""

FASTEST = 1.5
"""Times real time at which audio may come for long: clocks differ a little, nobody speaks faster, and to decode is work."""

LEAD = 0.12
"""Seconds that audio is let out ahead of real time: a track plays it at once, so what waits is only there for a voice that
stumbles, and a shorter lead makes an interruption silent sooner."""

LONGEST_UNPLAYED = 30.0
"""Seconds of audio that wait to be played; an answer is let out in real time, so that many never do."""

MOST_LATE = 0.2
"""Seconds by which frames may be late and still be sent in a burst; beyond, the time is lost and playing goes on from now."""

RUN_DRY = 5
"""Frames without sound after which the last of it has been played: a voice that is slow for a moment has not ended."""

_TAIL = 3
"""Frames of silence that are encoded behind sound, some of which the encoder still holds; after them silence is a packet
that costs nothing."""

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class IncomingAudio:
    """What the client says: decoded, in order, without gaps.

    Args:
        give_up: is told that nobody listens any more.
    """

    def __init__(self, give_up: Callable[[BaseException], None]) -> None:
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._arrivals = Arrivals()
        self._decoder = opus.Decoder()
        self._resampler = Resampler(opus.CLOCK, HEARD_RATE)
        self._allowed = BURST
        self._counted_at = self._loop.time()
        self._unheard = bytearray()
        self._arrived = 0.0
        self._more = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def tap(self, receiver: RTCRtpReceiver) -> None:
        """Take a receiver's packets as they come.

        aiortc's own buffer holds 80 ms of audio back, and 280 ms from the first lost packet on; a user waits for all of
        it. It has no way to be told otherwise, so this takes its place.
        """
        if not hasattr(receiver, _JITTER_BUFFER):
            raise RuntimeError("this aiortc keeps its packets elsewhere")
        setattr(receiver, _JITTER_BUFFER, self)

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """A packet has arrived: what aiortc's receiver asks of its buffer. Nothing is left for its own decoder to do."""
        now = self._loop.time()
        self._earn(now)
        if self._allowed > 0:
            pieces = self._arrivals.push(
                packet.sequence_number, packet.timestamp, packet.payload, now
            )
            self._hear(pieces, now)
        return False, None

    async def next(self) -> tuple[bytes, float]:
        """What was said since it was last asked, PCM16 mono at `HEARD_RATE`, and when the last of it arrived."""
        while not self._unheard:
            self._more.clear()
            await self._more.wait()
        samples, self._unheard = bytes(self._unheard), bytearray()
        return samples, self._arrived

    def close(self) -> None:
        """Wake up no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _hear(self, pieces: list[Piece], now: float) -> None:
        for piece in pieces:
            if isinstance(piece, int):
                most = max(0, round(self._allowed * opus.CLOCK))
                samples = np.zeros(min(piece, most), np.int16)
            else:
                samples = self._decoder.decode(piece)
            self._allowed -= len(samples) / opus.CLOCK
            self._unheard += self._resampler.push(samples).tobytes()
        if pieces:
            self._arrived = now
            self._more.set()
        if len(self._unheard) > LONGEST_UNHEARD * HEARD_RATE * 2:
            self._give_up(TooMuch("the gateway does not keep up with what is said"))
            return
        if self._timer is not None:
            self._timer.cancel()
        at = self._arrivals.wake_at()
        self._timer = None if at is None else self._loop.call_at(at, self._wake)

    def _earn(self, now: float) -> None:
        """Time has gone by, and more audio may come."""
        earned = (now - self._counted_at) * FASTEST
        self._allowed = min(BURST, self._allowed + earned)
        self._counted_at = now

    def _wake(self) -> None:
        now = self._loop.time()
        self._earn(now)
        self._hear(self._arrivals.wake(now), now)


class OutgoingTrack(MediaStreamTrack):
    """What the client hears: a packet every 20 ms, of the answer or of silence.

    Args:
        playing: is told when sound begins to go out, and when the last of it has.
        give_up: is told that nobody plays what there is to be played.
    """

    kind = "audio"
    rate = opus.RATE
    lead: float | None = LEAD

    def __init__(
        self,
        playing: Callable[[bool], None],
        give_up: Callable[[BaseException], None],
    ) -> None:
        super().__init__()
        self._tell_playing = playing
        self._give_up = give_up
        self._time = asyncio.get_running_loop().time
        self._encoder = opus.Encoder()
        self._playout = Playout(opus.RATE)
        self._playing = False
        self._dry = 0
        self._tail = 0
        self._began: float | None = None
        self._frames = 0

    def play(self, samples: bytes) -> None:
        """PCM16 mono at `rate`, behind what is still to be played."""
        self._playout.put(np.frombuffer(samples, "<i2"))
        if self._playout.waiting > LONGEST_UNPLAYED * opus.RATE:
            self._give_up(TooMuch("the client does not take what it is to play"))

    def stop_playing(self) -> None:
        """Drop what has not been played; that it ends is not told."""
        self._playout.cut()
        self._playing = False

    def duck(self, ducked: bool) -> None:
        """Play quietly, or as loud as before."""
        self._playout.duck(ducked)

    async def recv(self) -> "Packet[Stream]":
        """The next packet, when it is due: what aiortc asks of a track.

        Raises:
            MediaStreamError: the track has been stopped.
        """
        if self._began is None:
            self._began = self._time()
        due = self._began + self._frames * opus.FRAME / opus.RATE
        late = self._time() - due
        if late < 0:
            await asyncio.sleep(-late)
        elif late > MOST_LATE:
            # The listener's clock went on, and so do the timestamps.
            self._frames += int(late * opus.RATE / opus.FRAME)
        if self.readyState != "live":
            raise MediaStreamError
        packet = Packet(self._next())
        packet.pts = self._frames * opus.FRAME
        packet.time_base = Fraction(1, opus.RATE)
        self._frames += 1
        return packet

    def _next(self) -> bytes:
        self._dry = 0 if self._playout.waiting else self._dry + 1
        if self._playing != (self._dry < (RUN_DRY if self._playing else 1)):
            self._playing = not self._playing
            self._tell_playing(self._playing)
        frame = self._playout.next(opus.FRAME)
        if frame is not None:
            self._tail = _TAIL
            return self._encoder.encode(frame)
        if self._tail:
            self._tail -= 1
            return self._encoder.encode(np.zeros(opus.FRAME, np.int16))
        return opus.SILENCE
