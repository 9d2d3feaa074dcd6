"""A recording, divided at its silences into pieces that a recognizer takes: who speaks for an hour says many things."""

from dataclasses import dataclass

import numpy as np

from gateway.conversation.events import Heard, SpeechBegan, SpeechPaused
from gateway.hearing.listener import Hearing, Listener
from gateway.hearing.tape import BYTES_PER_SECOND, SAMPLE_RATE
from gateway.hearing.voice import VoiceActivity

LONGEST_PIECE = 20.0
"""Seconds. The recognizers that come with us read so much at once; they would divide more by themselves."""

_ENOUGH = 10.0
"""Seconds of speech after which a breath is enough to end a piece: words around help to tell a word."""

_BREATH = 0.25
"""Seconds of silence between two clauses."""

_SILENCE = 2.0
"""Seconds of silence that end a piece however short it is; nobody has to transcribe them."""

_MARGIN = 0.3
"""Seconds of audio kept before and after speech, since voice activity is noticed late."""

_FRAME = SAMPLE_RATE // 100


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording that holds speech.

    Attributes:
        start: seconds from the recording's first sample.
        samples: 16-bit mono PCM at 16 kHz.
    """

    start: float
    samples: bytes

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / BYTES_PER_SECOND


class Divider:
    """Takes a recording bit by bit and gives the pieces that are complete; keeps no more than one of them.

    Args:
        voice: tells voice from other sound.
        longest: seconds of a piece, at most.
    """

    def __init__(self, voice: VoiceActivity, longest: float = LONGEST_PIECE) -> None:
        self._listener = Listener(voice, SAMPLE_RATE)
        # Whole samples, or pieces would overlap by one where half of it belongs to each.
        self._longest = int(longest * SAMPLE_RATE) / SAMPLE_RATE
        self._start: float | None = None
        self._speaking = False
        self._spoken_until = 0.0
        self._taken_until = 0.0

    @property
    def seconds(self) -> float:
        """Of the recording so far."""
        return self._listener.tape.end

    async def push(self, samples: bytes) -> list[Piece]:
        """The next samples of the recording, 16-bit mono PCM at 16 kHz; returns what they complete."""
        complete: list[Piece] = []
        for noticed in await self._listener.listen(samples, 0.0):
            self._follow(noticed, complete)
        return complete

    def finish(self) -> list[Piece]:
        """The recording is over; returns what is left."""
        complete: list[Piece] = []
        end = self._listener.tape.end
        self._divide_speech(end, complete)
        if self._start is not None:
            self._end_piece(end if self._speaking else self._spoken_until, complete)
        return complete

    def _follow(self, noticed: Hearing, complete: list[Piece]) -> None:
        match noticed:
            case SpeechBegan(at):
                self._speaking = True
                if self._start is None:
                    self._start = max(self._taken_until, at - _MARGIN)
            case SpeechPaused(at):
                self._speaking = False
                self._spoken_until = at
            case Heard(until, _):
                if self._start is not None and not self._speaking:
                    self._divide_silence(until, complete)
                self._divide_speech(until, complete)
                # Where the next piece begins nobody knows yet; it will not be before this.
                needed = until - _MARGIN if self._start is None else self._start
                self._listener.tape.forget(needed)

    def _divide_silence(self, until: float, complete: list[Piece]) -> None:
        """End the piece, if the silence at its end is long enough."""
        silent = until - self._spoken_until
        enough = self._spoken_until - (self._start or 0.0) >= _ENOUGH
        if silent >= (_BREATH if enough else _SILENCE):
            self._end_piece(self._spoken_until, complete)

    def _divide_speech(self, until: float, complete: list[Piece]) -> None:
        """Cut what has grown too long at its quietest, where a word is least likely to be hit."""
        while self._start is not None and until - self._start > self._longest:
            cut = self._quietest(
                self._start + self._longest / 2, self._start + self._longest
            )
            complete.append(self._take(self._start, cut))
            self._start = cut

    def _end_piece(self, spoken_until: float, complete: list[Piece]) -> None:
        # Where a piece was cut in the silence behind its last word, nothing is left of it.
        if self._start is not None and spoken_until > self._start:
            until = min(
                spoken_until + _MARGIN,
                self._start + self._longest,
                self._listener.tape.end,
            )
            complete.append(self._take(self._start, until))
        self._start = None

    def _take(self, start: float, until: float) -> Piece:
        piece = Piece(start, self._listener.tape.read(start, until))
        self._taken_until = until
        return piece

    def _quietest(self, start: float, end: float) -> float:
        """The middle of the quietest 100 ms between two positions."""
        start = round(start * SAMPLE_RATE) / SAMPLE_RATE
        samples = np.frombuffer(self._listener.tape.read(start, end), "<i2")
        frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
        power = (frames.astype(np.float32) ** 2).mean(axis=1)
        smooth = np.convolve(power, np.ones(10) / 10, "valid")
        return start + (int(np.argmin(smooth)) + 5) * _FRAME / SAMPLE_RATE


__all__ = ["LONGEST_PIECE", "Divider", "Piece"]
