"""What carries a Realtime connection."""

from typing import Any, Protocol

from gateway.fronts.realtime.sound import Speaker

Event = dict[str, Any]
"""One event of the wire, as it goes into JSON."""


class Transport(Protocol):
    """A WebSocket, or a data channel beside two tracks of audio."""

    @property
    def speaker(self) -> Speaker | None:
        """The track that plays the answers, beside one that `Connection.hear` listens to; None: audio goes in events."""

    async def send(self, event: Event) -> None:
        """One server event, in order; may wait for a slow client."""
