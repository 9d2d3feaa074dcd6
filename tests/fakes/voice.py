"""A scripted text-to-speech engine: each word is a tenth of a second of a tone, one word a step."""

import threading
from collections.abc import Generator

import numpy as np

from services.runtime.errors import EngineError
from services.tts.engines import Capabilities, Line, Piece, Voice

SAMPLE_RATE = 16_000
WORD_SECONDS = 0.1

VOICES = (
    Voice("alto", ("en-US", "en"), "the default"),
    Voice("bass", ("de-DE", "de"), "another"),
)


class ScriptedEngine:
    """Speaks without a model.

    Args:
        fails_on: a word at which it fails.
        breaks_on: a word at which it raises what no engine should.
        stops_at: a word at which it waits until it is let go on.
        word_marks: whether it tells when words end.
        cloning: whether it claims to imitate voices.
    """

    def __init__(
        self,
        fails_on: str = "",
        breaks_on: str = "",
        stops_at: str = "",
        word_marks: bool = True,
        cloning: bool = False,
    ) -> None:
        self.capabilities = Capabilities(
            "script", SAMPLE_RATE, VOICES, word_marks, cloning=cloning
        )
        self.lines: list[Line] = []
        self.steps: list[str] = []
        self.abandoned: list[str] = []
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.left = threading.Event()
        self.closed = False
        self._fails_on = fails_on
        self._breaks_on = breaks_on
        self._stops_at = stops_at

    def speak(self, line: Line) -> Generator[Piece, None, None]:
        self.lines.append(line)
        try:
            for number, (start, end) in enumerate(line.words, 1):
                yield self._word(line.text[start:end], number)
        except GeneratorExit:
            self.abandoned.append(line.text)
            self.left.set()
            raise

    def close(self) -> None:
        self.closed = True

    def _word(self, word: str, number: int) -> Piece:
        said = word.strip(".,!?").lower()
        if self._stops_at and said == self._stops_at:
            self.reached.set()
            self.go_on.wait()
        if self._fails_on and said == self._fails_on:
            raise EngineError("the model choked")
        if self._breaks_on and said == self._breaks_on:
            raise ZeroDivisionError
        self.steps.append(said)
        count = round(WORD_SECONDS * SAMPLE_RATE)
        clock = (np.arange(count) + (number - 1) * count) / SAMPLE_RATE
        samples = (0.5 * np.sin(2 * np.pi * 440 * clock)).astype(np.float32)
        ends = (number * WORD_SECONDS,) if self.capabilities.word_marks else ()
        return Piece(samples, ends)
