"""Two clocks that nobody can read off a wall: when a sample was spoken, and what has been heard of a reply."""

from array import array
from bisect import bisect_right

_WINDOW = 30.0
"""Seconds over which the fastest arrival is looked for: long enough to see a packet that was not delayed, short
enough to follow a sound card that drifts."""


_GAP = 0.5
"""Seconds by which audio must lag behind what it was to be taken for a new beginning: the microphone was off."""

_SETTLED = 0.3
"""Seconds at a stretch that it must lag for. Packets that were merely delayed are followed by others that make up for it."""

_CATCHING_UP = 0.1
"""Seconds that they must have made up for by then; else they come at the pace of a microphone."""

_HOPELESS = 1.0
"""Seconds at a stretch after which it is a new beginning, however they come."""


class InputClock:
    """Maps positions of the input's audio to the driver's clock.

    A sample cannot have been spoken after it arrived, and packets are delayed but never early: the least
    (arrival - position) seen lately is the instant at which the audio began.
    """

    def __init__(self) -> None:
        self._origin: float | None = None
        self._next_origin: float | None = None
        self._window_started = 0.0
        self._late: tuple[float, float] | None = None

    def observe(self, until: float, arrived: float) -> None:
        """Audio up to position ``until`` arrived at ``arrived``."""
        origin = arrived - until
        if (
            self._origin is None
            or self._next_origin is None
            or self._began_anew(origin, arrived)
        ):
            self._origin = self._next_origin = origin
            self._window_started = arrived
        elif arrived - self._window_started > _WINDOW:
            self._origin, self._next_origin = min(self._next_origin, origin), origin
            self._window_started = arrived
        else:
            self._origin = min(self._origin, origin)
            self._next_origin = min(self._next_origin, origin)

    def _began_anew(self, origin: float, arrived: float) -> bool:
        """Whether the audio has been late for so long that there must have been a gap in it."""
        if self._origin is None or origin < self._origin + _GAP:
            self._late = None
            return False
        if self._late is None:
            self._late = (arrived, origin)
        since, first = self._late
        late = arrived - since
        caught_up = first - origin
        if late < _SETTLED or (late < _HOPELESS and caught_up >= _CATCHING_UP):
            return False
        self._late = None
        return True

    def instant(self, position: float) -> float:
        """When the sample at ``position`` was spoken.

        Raises:
            ValueError: nothing was observed yet.
        """
        if self._origin is None:
            raise ValueError("no audio has arrived yet")
        return self._origin + position


class PlaybackClock:
    """What a listener has heard of a reply, judging by what was sent and when.

    Playing begins with the first audio sent and goes on in real time; it waits where it has run out of audio.
    """

    def __init__(self) -> None:
        self._sent = 0.0
        self._heard = 0.0
        self._read_at: float | None = None
        self._marks_at = array("d")
        self._marks_characters = array("L")

    @property
    def sent(self) -> float:
        """Seconds of audio sent."""
        return self._sent

    def send(self, seconds: float, now: float) -> None:
        """More audio goes to the client."""
        self.heard(now)
        self._read_at = now
        self._sent += seconds

    def heard(self, now: float) -> float:
        """Position up to which the reply has been heard."""
        if self._read_at is not None and now > self._read_at:
            self._heard = min(self._sent, self._heard + now - self._read_at)
            self._read_at = now
        return self._heard

    @property
    def marked(self) -> int:
        """Characters whose end is known on the reply's audio clock."""
        return self._marks_characters[-1] if self._marks_characters else 0

    def mark(self, characters: int, at: float) -> None:
        """The first ``characters`` of the reply are spoken by ``at``; both only ever rise."""
        if self._marks_at and (
            at < self._marks_at[-1] or characters < self._marks_characters[-1]
        ):
            return
        self._marks_at.append(at)
        self._marks_characters.append(characters)

    def characters(self, position: float) -> int:
        """Characters of the reply that are spoken by ``position``."""
        index = bisect_right(self._marks_at, position + 1e-6)
        return self._marks_characters[index - 1] if index else 0
