"""What a track plays of the answers, and what the client is told of it: ``output_audio_buffer.*``."""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.conversation import commands as c
from gateway.fronts.realtime.responses import Response

Event = dict[str, Any]


class Speaker(Protocol):
    """Plays audio, where it does not go in events.

    Attributes:
        rate: of what is played, in Hz.
        lead: seconds that audio is let out ahead of real time; None for as the settings say.
    """

    rate: int
    lead: float | None

    def play(self, samples: bytes) -> None:
        """PCM16 mono, behind what is still to be played; never blocks."""

    def stop_playing(self) -> None:
        """Drop what has not been played."""

    def duck(self, ducked: bool) -> None:
        """Play quietly, or as loud as before."""


class Sound:
    """Hands audio to a track, and says when it begins, ends and is cut.

    Args:
        speaker: the track.
        put: takes server events.

    Attributes:
        sounding: the response whose sound the client has been told of; None while there is silence.
    """

    def __init__(self, speaker: Speaker, put: Callable[[Event], None]) -> None:
        self.sounding: str | None = None
        self._speaker = speaker
        self._put = put
        self._handed = ""
        self._unfinished: str | None = None
        self._dry = False

    def heed(self, notice: c.Notice, response: Response | None) -> None:
        """Do what a notice says about sound.

        Args:
            notice: from the conversation.
            response: that it is about, if there is one.
        """
        match notice:
            case c.TellAudio(_, _, _, samples) if response is not None:
                self._handed = self._unfinished = response.id
                self._speaker.play(samples)
                if self.sounding not in (None, response.id):
                    # The track has not fallen silent between the two, and so has not said anything.
                    self.playing(False)
                    self.playing(True)
            case c.TellInterrupted():
                self.stop()
            case c.TellDucked(_, ducked):
                self._speaker.duck(ducked)

    def ended(self) -> None:
        """No more audio comes of the response: what the track has run out of was the last of it."""
        self._unfinished = None
        if self._dry:
            self.playing(False)

    def stop(self) -> None:
        """Play no more of what there is."""
        self._dry = False
        self._speaker.stop_playing()
        self._speaker.duck(False)
        sounding, self.sounding = self.sounding, None
        if sounding is not None:
            self._tell("cleared", sounding)

    def playing(self, playing: bool) -> None:
        """The track began to play, or has played all there is."""
        # A voice that is slow for a moment has not ended.
        waits = self.sounding is not None and self.sounding == self._unfinished
        self._dry = not playing and waits
        if playing and self.sounding is None:
            self.sounding = self._handed
            self._tell("started", self._handed)
        elif not playing and self.sounding is not None and not self._dry:
            sounding, self.sounding = self.sounding, None
            self._tell("stopped", sounding)

    def _tell(self, what: str, response_id: str) -> None:
        self._put({"type": f"output_audio_buffer.{what}", "response_id": response_id})
