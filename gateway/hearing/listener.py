"""One conversation's hearing: bytes from the client in, speech events out."""

import numpy as np

from gateway.conversation.events import Heard, SpeechBegan, SpeechPaused
from gateway.hearing.tape import SAMPLE_RATE, Tape
from gateway.hearing.voice import WINDOW, VoiceActivity, VoiceState
from services.runtime.resample import Resampler

VOICE_BEGINS = 0.5
"""Probability at which voice begins; Silero's own threshold."""

VOICE_ENDS = 0.35
"""Probability below which voice ends; 0.15 under the beginning, as in Silero's own iterator."""

BEGIN_WINDOWS = 2
"""Windows of voice in a row that are a beginning: 64 ms, longer than a click."""

Hearing = SpeechBegan | SpeechPaused | Heard


class Listener:
    """Follows the voice of one conversation.

    Args:
        voice: tells voice from other sound; shared by all conversations.
        sample_rate: of the client's audio, in Hz.

    Attributes:
        tape: the audio at 16 kHz.
    """

    def __init__(self, voice: VoiceActivity, sample_rate: int) -> None:
        self.tape = Tape()
        self._voice = voice
        self._state = VoiceState()
        self._resampler = Resampler(sample_rate, SAMPLE_RATE)
        self._rest = np.zeros(0, np.int16)
        self._windows = 0
        self._voiced_windows = 0
        self._speaking = False

    async def listen(self, samples: bytes, arrived: float) -> list[Hearing]:
        """Listen to the next samples.

        Args:
            samples: 16-bit little-endian mono PCM at the client's rate.
            arrived: when they did, on the driver's clock.

        Returns:
            What was noticed, in order, with one `Heard` at the end.
        """
        pcm = self._resampler.push(np.frombuffer(samples, "<i2"))
        self.tape.append(pcm.tobytes())
        pcm = np.concatenate((self._rest, pcm))
        count = len(pcm) // WINDOW
        self._rest = pcm[count * WINDOW :]
        noticed: list[Hearing] = []
        if count:
            windows = (
                pcm[: count * WINDOW].reshape(count, WINDOW).astype(np.float32)
                / 32768.0
            )
            for probability in await self._voice.probabilities(self._state, windows):
                noticed += self._notice(probability)
        noticed.append(Heard(self._windows * WINDOW / SAMPLE_RATE, arrived))
        return noticed

    def _notice(self, probability: float) -> list[Hearing]:
        """One window further."""
        start = self._windows * WINDOW / SAMPLE_RATE
        self._windows += 1
        if self._speaking:
            if probability < VOICE_ENDS:
                self._speaking = False
                self._voiced_windows = 0
                return [SpeechPaused(start)]
            return []
        self._voiced_windows = (
            self._voiced_windows + 1 if probability >= VOICE_BEGINS else 0
        )
        if self._voiced_windows < BEGIN_WINDOWS:
            return []
        self._speaking = True
        return [SpeechBegan(start - (BEGIN_WINDOWS - 1) * WINDOW / SAMPLE_RATE)]
