"""A scripted voice that says several lines in one step: each line is read in its first step, then said a word a step."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from services.runtime.errors import EngineError
from services.tts.engines import Capabilities, EngineLost, Line, Piece, Said
from tests.fakes.voice import SAMPLE_RATE, VOICES, WORD_SECONDS


class ScriptedSpeech:
    """A line under way. What a word sounds like hangs on all words of the line before it."""

    def __init__(self, engine: "ScriptedChorus", line: Line) -> None:
        self.line = line
        self.words = [
            line.text[start:end].strip(".,!?").lower() for start, end in line.words
        ]
        self.said = -1
        self.closed = False
        self._engine = engine
        self._state = 0

    @property
    def coming(self) -> str:
        """The word of the next step; empty before the first."""
        return self.words[self.said] if self.said >= 0 else ""

    def next(self) -> Piece:
        self._state = crc32(self.coming.encode(), self._state)
        self.said += 1
        count = round(WORD_SECONDS * SAMPLE_RATE)
        pitch = 200 + self._state % 1000
        samples = 0.5 * np.sin(2 * np.pi * pitch * np.arange(count) / SAMPLE_RATE)
        marks = self._engine.capabilities.word_marks
        return Piece(
            samples.astype(np.float32), (self.said * WORD_SECONDS,) if marks else ()
        )

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._engine.events.append(("close", self.line.text))


class ScriptedChorus:
    """Speaks without a model.

    Args:
        batch: lines in one step at most.
        measured: what its warm-up tells.
        fails_on: a word at which one line fails.
        breaks_on: a word at which the whole step fails.
        lost_on: a word at which the engine fails for good.
        stops_at: a word at which a step waits until it is let go on.
        can: more of its capabilities.

    Attributes:
        events: in order, ("step", texts of the lines in it) and ("close", text).
        sizes: of the steps.
    """

    def __init__(
        self,
        batch: int = 16,
        measured: int | None = None,
        fails_on: str = "",
        breaks_on: str = "",
        lost_on: str = "",
        stops_at: str = "",
        **can: Any,
    ) -> None:
        self.capabilities = Capabilities(
            "chorus", SAMPLE_RATE, VOICES, **{"word_marks": True, "batch": batch, **can}
        )
        self.events: list[tuple[str, Any]] = []
        self.sizes: list[int] = []
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.closed = False
        self._measured = measured
        self._fails_on = fails_on
        self._breaks_on = breaks_on
        self._lost_on = lost_on
        self._stops_at = stops_at

    @property
    def steps(self) -> list[tuple[str, ...]]:
        """The texts of the lines in each step, the most urgent first."""
        return [told for kind, told in self.events if kind == "step"]

    def warm_up(self) -> int | None:
        return self._measured

    def begin(self, line: Line) -> ScriptedSpeech:
        return ScriptedSpeech(self, line)

    def step(self, speeches: Sequence[Any]) -> Iterator[Said]:
        assert 0 < len(speeches) <= self.capabilities.batch
        assert not any(speech.closed for speech in speeches)
        coming = [speech.coming for speech in speeches]
        self.events.append(("step", tuple(speech.line.text for speech in speeches)))
        self.sizes.append(len(speeches))
        if self._stops_at and self._stops_at in coming:
            self.reached.set()
            assert self.go_on.wait(10)
        if self._breaks_on and self._breaks_on in coming:
            raise EngineError("the model broke")
        if self._lost_on and self._lost_on in coming:
            raise EngineLost("the device is gone")
        for speech, word in zip(speeches, coming, strict=True):
            if speech.said < 0:
                speech.said = 0
                yield Said(speech, finished=not speech.words)
            elif self._fails_on and word == self._fails_on:
                yield Said(speech, error=EngineError("the model choked"))
            else:
                piece = speech.next()
                yield Said(speech, piece, finished=speech.said == len(speech.words))

    def close(self) -> None:
        self.closed = True
