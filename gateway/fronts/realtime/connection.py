"""One Realtime connection, whatever carries it: a client's events in, the conversation's events out."""

from typing import Any, Protocol

from gateway.conversation.values import Ending
from gateway.fronts.realtime.schema import RealtimeSession
from gateway.sessions import Sessions

Event = dict[str, Any]
"""One event of the wire, as it goes into JSON."""


class Transport(Protocol):
    """What carries a connection: a WebSocket, or a data channel beside two tracks of audio.

    Attributes:
        audio_in_events: whether audio comes and goes in events. Where not, `Connection.hear` takes what comes, and
            `play` gets what goes; only then `rate`, `lead`, `play`, `stop_playing` and `duck` are used.
        rate: of what is played, in Hz.
        lead: seconds that audio is let out ahead of real time; None for as the settings say.
    """

    audio_in_events: bool
    rate: int
    lead: float | None

    async def send(self, event: Event) -> None:
        """One server event, in order; may wait for a slow client."""

    def play(self, samples: bytes) -> None:
        """PCM16 mono at `rate`, behind what is still to be played; never blocks."""

    def stop_playing(self) -> None:
        """Drop what has not been played."""

    def duck(self, ducked: bool) -> None:
        """Play quietly, or as loud as before."""


class Meter(Protocol):
    """Counts what a client uses against its limits."""

    def message(self, size: int) -> None:
        """One message of ``size`` bytes.

        Raises:
            TooMuch: it is one too many, or too large.
        """

    def rate_limits(self) -> list[dict[str, Any]]:
        """What is left, as ``rate_limits.updated`` says it; empty where nothing is limited."""


class Connection:
    """Holds one conversation for one client.

    Args:
        sessions: opens the conversation.
        transport: to the client.
        session: what it begins with.
        meter: of the client; None for one without limits.
    """

    def __init__(
        self,
        sessions: Sessions,
        transport: Transport,
        session: RealtimeSession,
        meter: Meter | None = None,
    ) -> None:
        raise NotImplementedError

    async def run(self) -> Ending:
        """From ``session.created`` until the conversation is over.

        Cancelling it ends the conversation at once, and everything that it opened.
        Whatever the reason, a client that still listens has been told by an ``error`` event.

        Raises:
            AntiphonError: it could not begin, or could not go on.
        """
        raise NotImplementedError

    async def take(self, message: str | bytes) -> None:
        """One client event; what is wrong with it goes out as an ``error`` event."""
        raise NotImplementedError

    async def hear(self, samples: bytes, arrived: float) -> None:
        """The client's audio, where it does not come in events.

        Args:
            samples: PCM16 mono at 16,000 Hz.
            arrived: when, on the loop's clock.
        """
        raise NotImplementedError

    def playing(self, playing: bool) -> None:
        """The track began to play what `Transport.play` gave it, or has played the last of it.

        Tells the client ``output_audio_buffer.started`` or ``.stopped``, each once a response.
        """
        raise NotImplementedError
