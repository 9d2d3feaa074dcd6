"""Speaking a recording into a conversation, as if it were spoken now."""

import asyncio

from antiphon.cli import audio
from antiphon.cli.dialogue import Dialogue
from antiphon.cli.pace import Pace
from antiphon.client import Conversation
from antiphon.v1.conversation_pb2 import TurnTaking
from services.runtime.errors import AntiphonError
from services.runtime.units import PCM_BYTES, to_seconds

SETTLING_SECONDS = 0.7
"""Silence sent beyond the endpointing silence before the client believes that no turn is coming."""

_SILENCE = bytes(round(audio.FRAME_SECONDS * audio.INPUT_RATE) * PCM_BYTES)


class Recital:
    """A recording in real time: silence until the greeting is over, the recording, silence until all is answered.

    Args:
        conversation: that it is spoken into.
        dialogue: what the conversation has come to; somebody else keeps it up to date.
        pcm: 16-bit mono at `audio.INPUT_RATE`.
        greeted: the assistant speaks first, and is heard out.
    """

    def __init__(
        self, conversation: Conversation, dialogue: Dialogue, pcm: bytes, greeted: bool
    ) -> None:
        self._conversation = conversation
        self._dialogue = dialogue
        self._pcm = pcm
        self._greeted = greeted
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(self._loop.time)
        self._sent = 0.0
        self._begun: float | None = None

    def sent_by(self) -> float:
        """When the recording will have been sent, at the earliest, on the loop's clock; now, if it has been."""
        now = self._loop.time()
        begun = now if self._begun is None else self._begun
        return max(now, begun + audio.duration(self._pcm))

    async def run(self) -> None:
        """Speak it, and half-close when everything has been answered."""
        try:
            while self._greeted and not self._dialogue.any_ended:
                await self._send(_SILENCE)
            self._begun = self._loop.time()
            for frame in audio.frames(self._pcm):
                await self._send(frame)
            turn_taking = self._conversation.ready.turn_taking
            if turn_taking.WhichOneof("endpointing") == "manual":
                await self._conversation.commit()
            await self._wait(_longest_wait(turn_taking) + SETTLING_SECONDS)
            await self._conversation.finish()
        except AntiphonError:
            # Whoever reads the conversation's events is told the same, and reports it.
            return

    async def _wait(self, silence: float) -> None:
        """Send silence until nothing goes on, and for so many seconds after the last speech."""
        end = self._sent
        while (
            self._dialogue.pending
            or self._sent < max(end, self._dialogue.speech_end) + silence
        ):
            await self._send(_SILENCE)

    async def _send(self, frame: bytes) -> None:
        self._sent += audio.duration(frame)
        # A microphone hands a frame over once it has heard all of it.
        await self._pace.until(self._sent)
        await self._conversation.send_audio(frame)


def _longest_wait(turn_taking: TurnTaking) -> float:
    """Silence in seconds after which a turn has ended in any case."""
    match turn_taking.WhichOneof("endpointing"):
        case "silence":
            return to_seconds(turn_taking.silence.silence)
        case "predicted":
            return to_seconds(turn_taking.predicted.max_wait)
        case _:
            return 0.0
