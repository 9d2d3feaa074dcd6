"""An engine that says one line at a time, in the shape of one that says several: its batch is one line."""

import re
from collections.abc import Iterator, Sequence

from services.tts.engines import (
    BatchEngine,
    Capabilities,
    Delivery,
    Engine,
    Line,
    Said,
    Speech,
)

_WARM_UP = (
    "Hello, this is what a first reply sounds like, and all of it is thrown away."
)
_WORD = re.compile(r"\S+")


class _SoloSpeech:
    """A line of an `Engine`; a step is its next piece."""

    def __init__(self, engine: Engine, line: Line) -> None:
        self.pieces = engine.speak(line)

    def close(self) -> None:
        """Stop the work."""
        self.pieces.close()


class SoloEngine:
    """An `Engine` as a `BatchEngine`. What it raises in a step is the failure of the one line in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def capabilities(self) -> Capabilities:
        """The engine's own."""
        return self._engine.capabilities

    def warm_up(self) -> None:
        """Say a sentence in the default voice; how many could be said at once is not measured."""
        voice = self.capabilities.voices[0]
        words = tuple(word.span() for word in _WORD.finditer(_WARM_UP))
        line = Line(_WARM_UP, words, Delivery(voice.name, voice.languages[0]))
        for _ in self._engine.speak(line):
            pass

    def begin(self, line: Line) -> _SoloSpeech:
        """Take a line on; its generator has not run yet."""
        return _SoloSpeech(self._engine, line)

    def step(self, speeches: Sequence[Speech]) -> Iterator[Said]:
        """The next piece of the one line given, or its end."""
        for speech in speeches:
            assert isinstance(speech, _SoloSpeech)
            piece = next(speech.pieces, None)
            yield Said(speech, piece, finished=piece is None)

    def close(self) -> None:
        """Free the model."""
        self._engine.close()


def batching(engine: Engine | BatchEngine) -> BatchEngine:
    """The engine itself, or what makes it say lines in batches of one."""
    return engine if isinstance(engine, BatchEngine) else SoloEngine(engine)
