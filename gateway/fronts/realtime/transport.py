"""What carries a Realtime connection."""

from typing import Any, Protocol

from gateway.fronts.realtime.sound import Speaker

Event = dict[str, Any]
"""One event of the wire, as it goes into JSON."""


class Transport(Speaker, Protocol):
    """A WebSocket, or a data channel beside two tracks of audio.

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
