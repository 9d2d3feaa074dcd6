"""How much one caller may use, and the counting of it.

All counts live in this process's memory: a gateway that starts again begins at zero, and several gateways behind one
address each count for themselves.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.runtime.errors import TooMuch
from services.runtime.telemetry import metrics

Clock = Callable[[], float]

DAY_SECONDS = 86_400.0
SLOT_SECONDS = 300.0
"""Minutes of a day are forgotten in pieces of so many seconds."""

BURST_SECONDS = 2.0
"""Messages that may come at once, in seconds at the allowed rate: what a stalled network delivers late."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one key may use.

    Attributes:
        conversations: open at once; None for no limit.
        minutes_per_day: of conversation in any 24 hours, those that are open at once added up; None for no limit.
        messages_per_second: of a client, in each conversation.
        message_bytes: of one message.
        requests_per_minute: of HTTP, without those that open a conversation.
    """

    conversations: int | None = None
    minutes_per_day: float | None = None
    messages_per_second: float = 200.0
    message_bytes: int = 4 * 1024 * 1024
    requests_per_minute: float = 600.0


def refuse(reason: str, message: str, retry_after: float | None = None) -> TooMuch:
    """The error for what is over a limit, counted.

    Args:
        reason: label of the metric.
        message: for the caller.
        retry_after: seconds after which it is allowed again, if ever.
    """
    metrics.ACCESS_REFUSALS.labels(reason).inc()
    return TooMuch(message, retry_after)


MESSAGE_BYTES = 32 * 1024
"""A message counts once more for each: half a second of audio. What is large takes long to read, and others wait."""


class TokenBucket:
    """So many a second, and some at once.

    Args:
        rate: a second.
        burst: at once, after a pause.
        clock: seconds.

    Attributes:
        rate: a second.
        burst: at once, after a pause.
    """

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self.burst = max(1.0, burst)
        self.rate = rate
        self._clock = clock
        self._left = self.burst
        self._at = clock()

    def take(self, count: float = 1.0) -> float:
        """Take so many; more than the burst is the whole burst.

        Returns:
            0 where there were as many, else the seconds until there are.
        """
        count = min(count, self.burst)
        if self.left >= count:
            self._left -= count
            return 0.0
        return (count - self._left) / self.rate

    @property
    def left(self) -> float:
        """How many could be taken now."""
        now = self._clock()
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        return self._left

    @property
    def full_in(self) -> float:
        """Seconds until the whole burst can be taken again."""
        return (self.burst - self.left) / self.rate


class Usage:
    """What one caller uses, in all conversations and requests together.

    Args:
        limits: at first; `limits` may be set anew at any time.
        clock: seconds, never going back.

    Attributes:
        limits: what the caller may use.
        open: conversations open now.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.limits = limits
        self.open = 0
        self.clock = clock
        self._day = _Day()
        self._since = clock()
        self._requests: tuple[float, TokenBucket] | None = None
        self._left_behind: list[TokenBucket] = []

    def begin(self) -> None:
        """A conversation opens.

        Raises:
            TooMuch: there are too many, or the day's minutes are used up.
        """
        most = self.limits.conversations
        if most is not None and self.open >= most:
            raise refuse(
                "conversations",
                f"this key has {self.open} conversations open, and may have {most}",
                retry_after=1.0,
            )
        self.check_minutes()
        # Else the time before would count as well, as soon as there is a limit.
        self._spend()
        self.open += 1

    def end(self) -> None:
        """A conversation has ended."""
        self._spend()
        self.open -= 1

    def request(self) -> None:
        """An HTTP request comes.

        Raises:
            TooMuch: there were too many of late.
        """
        rate = self.limits.requests_per_minute
        if self._requests is None or self._requests[0] != rate:
            self._requests = rate, TokenBucket(rate / 60, rate, self.clock)
        if wait := self._requests[1].take():
            raise refuse(
                "requests",
                f"this key may make {rate:g} requests a minute",
                retry_after=wait,
            )

    def messages(self) -> TokenBucket:
        """What counts the messages of a conversation that opens.

        It is the best that a conversation has left behind, if there is any: whoever hangs up and comes again does not begin
        with a new burst.
        """
        rate = self.limits.messages_per_second
        self._left_behind = [one for one in self._left_behind if one.rate == rate]
        if not self._left_behind:
            return TokenBucket(rate, rate * BURST_SECONDS, self.clock)
        self._left_behind.sort(key=lambda one: one.left)
        return self._left_behind.pop()

    def leave(self, messages: TokenBucket) -> None:
        """A conversation is over whose messages were counted by this."""
        self._left_behind.append(messages)

    def check_minutes(self) -> None:
        """Find out whether the caller may talk on.

        Raises:
            TooMuch: the day's minutes are used up.
        """
        left = self.seconds_left
        if left is not None and left <= 0:
            raise refuse(
                "minutes",
                f"this key has used its {self.limits.minutes_per_day:g} minutes of conversation in 24 hours",
                retry_after=self._day.frees_in(self.clock()),
            )

    @property
    def seconds_left(self) -> float | None:
        """Of conversation, in these 24 hours; None for as many as one likes."""
        if self.limits.minutes_per_day is None:
            return None
        self._spend()
        return self.limits.minutes_per_day * 60 - self._day.used

    def _spend(self) -> None:
        now = self.clock()
        self._day.add(now, (now - self._since) * self.open)
        self._day.forget(now)
        self._since = now


@dataclass(slots=True)
class _Day:
    """Seconds used in the last 24 hours."""

    _slots: deque[list[float]] = field(default_factory=deque)
    _total: float = 0.0

    def add(self, now: float, seconds: float) -> None:
        if not seconds:
            return
        if not self._slots or now - self._slots[-1][0] >= SLOT_SECONDS:
            self._slots.append([now, 0.0])
        self._slots[-1][1] += seconds
        self._total += seconds

    def forget(self, now: float) -> None:
        while self._slots and now - self._slots[0][0] >= DAY_SECONDS:
            self._total -= self._slots.popleft()[1]

    @property
    def used(self) -> float:
        return self._total if self._slots else 0.0

    def frees_in(self, now: float) -> float:
        """Seconds until the oldest of them are forgotten."""
        return self._slots[0][0] + DAY_SECONDS - now if self._slots else DAY_SECONDS


class Meter:
    """Counts what one conversation's client sends.

    Args:
        usage: of the caller whose conversation it is.
    """

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._limits = usage.limits
        self._messages = usage.messages()

    def close(self) -> None:
        """The conversation is over."""
        self._usage.leave(self._messages)

    @property
    def message_bytes(self) -> int:
        """The largest message that is taken."""
        return self._limits.message_bytes

    @property
    def seconds_left(self) -> float | None:
        """How long the conversation may still last by the day's minutes; None for as long as it likes."""
        return self._usage.seconds_left

    def message(self, size: int) -> None:
        """A message has come.

        Args:
            size: of it, in bytes.

        Raises:
            TooMuch: it is too large, there were too many of late, or the day's minutes are used up. The conversation
                is to be ended, and the client told why.
        """
        if size > self._limits.message_bytes:
            raise refuse(
                "size",
                f"a message of {size} bytes: at most {self._limits.message_bytes} are taken",
            )
        if wait := self._messages.take(1 + size // MESSAGE_BYTES):
            raise refuse(
                "messages",
                f"more than {self._limits.messages_per_second:g} messages a second (one of {MESSAGE_BYTES} bytes counts twice)",
                retry_after=wait,
            )
        self._usage.check_minutes()

    def audio(self) -> None:
        """Audio has come that is no message, as a track's is not.

        Raises:
            TooMuch: the day's minutes are used up; likewise.
        """
        self._usage.check_minutes()

    def rate_limits(self) -> list[dict[str, Any]]:
        """What is left, in the shape of ``rate_limits.updated``: ``requests`` are messages of this conversation."""
        return [
            {
                "name": "requests",
                "limit": int(self._messages.burst),
                "remaining": int(self._messages.left),
                "reset_seconds": round(self._messages.full_in, 3),
            }
        ]
