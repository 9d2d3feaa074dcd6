"""A client's RTP packets, put in order, and what goes where there are none: pure, with times given.

The audio clock must neither stand still nor shrink: the end of a turn is silence on it. Packets get lost, come late and
out of order; senders stop while nobody speaks (RFC 7587, 3.1.3) or while they are muted. So what is missing becomes
silence: as much as the packets' timestamps say, and where no packet comes at all, as much as time goes by.
"""

from gateway.fronts.realtime.opus import CLOCK, samples

Piece = bytes | int
"""A packet's payload to be decoded, or samples of silence at `CLOCK`."""

REORDERING = 0.06
"""Seconds that a packet is waited for behind which others have come: as in most browsers' own buffers, a few packets."""

STALL = 0.2
"""Seconds without any packet after which silence takes its place: on a network that stalls, what comes late is still heard
whole, and a muted microphone ends a turn soon."""

RESTING = 0.04
"""Likewise, behind a packet that says that nothing follows until somebody speaks."""

STEP = 0.04
"""Seconds of silence at a time, from then on."""

_DTX_BYTES = 2
"""Packets of a sender that rests are no longer (libopus: a table of contents, and a count of frames at most)."""

_RESTART = 1000
"""Packets by which a sequence number may be off; beyond, it is another sequence."""

_NEW_ORIGIN = 5.0
"""Seconds by which a timestamp may be off; beyond, it says nothing about what is missing."""


class Arrivals:
    """Puts one sender's packets in order."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[int, bytes, float]] = {}
        self._next = 0
        self._timestamp = 0
        self._last: float | None = None
        self._patience = STALL
        self._invented = 0

    def push(
        self, sequence: int, timestamp: int, payload: bytes, now: float
    ) -> list[Piece]:
        """A packet has arrived.

        Args:
            sequence: its number, modulo 2^16.
            timestamp: of its first sample at `CLOCK`, modulo 2^32.
            payload: one Opus packet.
            now: seconds.

        Returns:
            What can be heard now, in order.
        """
        if not samples(payload):
            return []
        ahead = _signed(sequence - self._next, 16)
        if self._last is None or abs(ahead) > _RESTART:
            self._waiting.clear()
            self._next, self._timestamp = sequence, timestamp
        elif ahead < 0:
            return []
        self._waiting.setdefault(sequence, (timestamp, payload, now))
        return self._in_order(now)

    def wake(self, now: float) -> list[Piece]:
        """Time has passed; returns what is heard instead of what did not come."""
        pieces = self._in_order(now)
        at = self._silence_at()
        if at is not None and self._last is not None and now >= at:
            # Less than time went by, so that what comes as late as usual still finds its place.
            silence = round((now - self._last - RESTING / 2) * CLOCK)
            pieces.append(silence - self._invented)
            self._invented = silence
        return pieces

    def wake_at(self) -> float | None:
        """When `wake` has something to do if nothing arrives before."""
        if self._waiting:
            return self._given_up_at()
        return self._silence_at()

    def _given_up_at(self) -> float:
        """When the next packet is not waited for any longer, while others wait behind it."""
        return min(at for _, _, at in self._waiting.values()) + REORDERING

    def _silence_at(self) -> float | None:
        """When there is silence to be heard instead of packets; None while some wait."""
        if self._last is None or self._waiting:
            return None
        if not self._invented:
            return self._last + self._patience
        return self._last + RESTING / 2 + self._invented / CLOCK + STEP

    def _in_order(self, now: float) -> list[Piece]:
        pieces: list[Piece] = []
        while self._waiting:
            if self._next not in self._waiting:
                if now < self._given_up_at():
                    break
                self._next = min(
                    self._waiting, key=lambda one: _signed(one - self._next, 16)
                )
            timestamp, payload, at = self._waiting.pop(self._next)
            self._next = (self._next + 1) % 2**16
            pieces += self._placed(timestamp, payload, at)
        return pieces

    def _placed(self, timestamp: int, payload: bytes, at: float) -> list[Piece]:
        """A packet, behind the silence that its timestamp asks for."""
        gap = _signed(timestamp - self._timestamp, 32)
        length = samples(payload)
        missing = gap - self._invented if abs(gap) < _NEW_ORIGIN * CLOCK else 0
        self._timestamp = (timestamp + length) % 2**32
        self._invented = 0
        # It lasts from here: the next one is late once it is over.
        self._last = at + length / CLOCK
        self._patience = RESTING if len(payload) <= _DTX_BYTES else STALL
        return [missing, payload] if missing > 0 else [payload]


def _signed(difference: int, bits: int) -> int:
    """A difference of numbers that wrap around."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
