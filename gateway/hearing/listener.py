"""One conversation's hearing: bytes from the client in, speech events out."""

import numpy as np

from gateway.conversation.events import Heard, SpeechBegan, SpeechPaused
from gateway.hearing.tape import SAMPLE_RATE, Tape
from gateway.hearing.voice import WINDOW, Floats, VoiceActivity, VoiceState
from services.runtime.resample import Resampler

VOICE_BEGINS = 0.5
"""Probability at which voice begins; Silero's own threshold."""

HYSTERESIS = 0.15
"""By which the probability has to fall below that at which voice begins for it to end; as in Silero's own iterator."""

LEAST_PROBABLE = 0.01
"""Below which voice ends in any case; likewise."""

QUIET = 10 ** (-30 / 20)
"""Of the loudest sound of an utterance: what is quieter by 30 dB is not heard as speech any more."""

LONGEST_HANGOVER = 0.25
"""Seconds by which Silero is at most late to notice that a voice has ended (about 0.1 is usual)."""

BEGIN_WINDOWS = 2
"""Windows of voice in a row that are a beginning: 64 ms, longer than a click."""

_FRAME = SAMPLE_RATE // 100

Hearing = SpeechBegan | SpeechPaused | Heard


class Listener:
    """Follows the voice of one conversation.

    Args:
        voice: tells voice from other sound; shared by all conversations.
        sample_rate: of the client's audio, in Hz.
        voice_begins: probability at which voice begins.

    Attributes:
        voice_begins: probability at which voice begins.
        tape: the audio at 16 kHz.
    """

    def __init__(
        self,
        voice: VoiceActivity,
        sample_rate: int,
        voice_begins: float = VOICE_BEGINS,
    ) -> None:
        self.tape = Tape()
        self.voice_begins = voice_begins
        self._voice = voice
        self._state = VoiceState()
        self._resampler = Resampler(sample_rate, SAMPLE_RATE)
        self._rest = np.zeros(0, np.int16)
        self._windows = 0
        self._voiced_windows = 0
        self._speaking = False
        self._loudest = 0.0

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
            probabilities = await self._voice.probabilities(self._state, windows)
            for window, probability in zip(windows, probabilities, strict=True):
                certain = self._certain()
                if changed := self._notice(probability, window):
                    # What lies between two changes has to be heard before the second one: a chunk may hold both.
                    noticed += [Heard(certain, arrived), changed]
        noticed.append(Heard(self._certain(), arrived))
        return noticed

    def _certain(self) -> float:
        """Position up to which all has been listened to for good.

        A window of voice that is not a beginning yet is not silence either.
        """
        windows = (
            self._windows if self._speaking else self._windows - self._voiced_windows
        )
        return windows * WINDOW / SAMPLE_RATE

    def _notice(
        self, probability: float, window: Floats
    ) -> SpeechBegan | SpeechPaused | None:
        """One window further; returns what changed with it."""
        start = self._windows * WINDOW / SAMPLE_RATE
        self._windows += 1
        if self._speaking:
            self._loudest = max(self._loudest, float(_loudness(window).max()))
            if probability < max(self.voice_begins - HYSTERESIS, LEAST_PROBABLE):
                self._speaking = False
                self._voiced_windows = 0
                return SpeechPaused(self._last_sound(start))
            return None
        self._voiced_windows = (
            self._voiced_windows + 1 if probability >= self.voice_begins else 0
        )
        if self._voiced_windows < BEGIN_WINDOWS:
            return None
        self._speaking = True
        self._loudest = 0.0
        return SpeechBegan(start - (BEGIN_WINDOWS - 1) * WINDOW / SAMPLE_RATE)

    def _last_sound(self, noticed: float) -> float:
        """Where the voice really ended that was ``noticed`` to have ended: Silero takes a while to be sure."""
        from_position = max(0.0, noticed - LONGEST_HANGOVER)
        tail = (
            np.frombuffer(self.tape.read(from_position, noticed), "<i2").astype(
                np.float32
            )
            / 32768.0
        )
        loud = np.nonzero(_loudness(tail) > QUIET * self._loudest)[0]
        if not len(loud):
            return noticed
        return min(noticed, from_position + (int(loud[-1]) + 1) * _FRAME / SAMPLE_RATE)


def _loudness(samples: Floats) -> Floats:
    """Root mean square by frame of 10 ms, ``float32 [frames]``; a rest shorter than a frame is left out."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loudness: Floats = np.sqrt((frames**2).mean(axis=1))
    return loudness
