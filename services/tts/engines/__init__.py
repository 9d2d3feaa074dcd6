"""Voices behind one small interface, one file an engine.

An engine is called from one worker thread, never concurrently. It knows nothing of streams, marks or scheduling: it is
given a line to say and yields audio in pieces small enough that something more urgent can be said in between.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import EngineError, FailedPrecondition

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of a model.

    Attributes:
        name: what a caller asks for.
        languages: BCP 47 tags, the voice's own first.
        description: one line for people.
    """

    name: str
    languages: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do.

    Attributes:
        model: name of the weights, as their publisher has it.
        sample_rate: of all audio that it yields, in Hz.
        voices: what there is to choose from, the default first.
        word_marks: whether pieces tell when words end.
        instructions: whether ``Delivery.instructions`` does anything.
        cloning: whether ``Delivery.reference`` does anything.
        batch: lines that one step of the engine takes at most.
    """

    model: str
    sample_rate: int
    voices: tuple[Voice, ...]
    word_marks: bool
    instructions: bool = False
    cloning: bool = False
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Reference:
    """A voice by example.

    Attributes:
        samples: ``float32 [n]`` in [-1, 1].
        sample_rate: in Hz.
        transcript: what is said in them; empty where nobody knows.
    """

    samples: Samples
    sample_rate: int
    transcript: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a whole reply is spoken; checked against the capabilities before an engine sees it.

    Attributes:
        voice: name of one of the voices.
        language: one of the voice's languages.
        speed: relative to the voice's own, 0.5 to 2.
        instructions: how to speak, in words; empty where not supported.
        reference: a voice to imitate; None where not supported.
    """

    voice: str
    language: str
    speed: float = 1.0
    instructions: str = ""
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Something to say: a clause or a sentence, with all markup gone.

    Attributes:
        text: what to say.
        words: start and end of each word in ``text``, in order.
        delivery: how to say it.
    """

    text: str
    words: tuple[tuple[int, int], ...]
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Piece:
    """The next stretch of a line's audio.

    Attributes:
        samples: ``float32 [n]`` in [-1, 1].
        word_ends: times in seconds from the line's first sample at which the next words of the line end, going on
            where the piece before stopped. A word is told no later than with the piece that it ends in.
    """

    samples: Samples
    word_ends: tuple[float, ...] = ()


class Speech(Protocol):
    """A line that a `BatchEngine` has taken on. Used on the worker thread alone."""

    def close(self) -> None:
        """Free its place, finished or not; it takes part in no further step. May be called again."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one step did for one speech.

    Attributes:
        speech: whose it is.
        piece: the next audio; None where the step brought none yet.
        finished: whether it was the last step of this speech; it is not closed yet.
        error: why the speech failed, which finishes it; others are not affected.
    """

    speech: Speech
    piece: Piece | None = None
    finished: bool = False
    error: EngineError | None = None


class BatchEngine(Protocol):
    """A model that says several lines at a time, one step of all of them after the other."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""

    def warm_up(self) -> int | None:
        """Run every step in every size that will come, so that the first reply is not slower than the next.

        Returns:
            Lines that it was measured to speak in real time at once; None where it was not measured.

        Raises:
            EngineError: the model does not work.
        """

    def begin(self, line: Line) -> Speech:
        """Take a line on without computing anything; it joins the others with the first step that it is given to."""

    def step(self, speeches: Sequence[Speech]) -> Iterator[Said]:
        """One step of each speech given; what is most urgent stands first, and what is ready is yielded at once.

        A speech that is left out of a step keeps its place and goes on later. Every speech given is yielded exactly
        once. The iterator is always read to its end.

        Raises:
            EngineError: the model failed on the whole step; none of the speeches given can go on.
        """

    def close(self) -> None:
        """Free the model."""


class Engine(Protocol):
    """A model that says one line at a time."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""

    def speak(self, line: Line) -> Generator[Piece, None, None]:
        """Say a line; each piece is one step of work, the first as small as it can be spoken well.

        Closing the generator stops the work. A line without anything to say yields nothing.

        Raises:
            EngineError: the model failed on this line; others are not affected. Whatever else it raises is taken for
                the same, and logged.
        """

    def close(self) -> None:
        """Free the model."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the operator can tell any engine.

    Attributes:
        model: which weights; what names there are is the engine's matter.
        voice_name: what to call the voice of a model that has only one; empty: the model's own name for it.
        threads: of computation.
    """

    model: str
    voice_name: str
    threads: int


Load = Callable[[EngineOptions], Engine]

ENGINES: Mapping[str, str] = {
    "piper": "services.tts.engines.piper",
}
"""Module of each engine; its ``load`` is called once. It is imported only if it is chosen."""


def load_engine(name: str, options: EngineOptions) -> Engine:
    """Import and load an engine; takes seconds, and blocks.

    Raises:
        FailedPrecondition: there is no such engine, or its packages or weights are missing.
    """
    if name not in ENGINES:
        raise FailedPrecondition(
            f"there is no engine {name!r}; there are: {', '.join(ENGINES)}"
        )
    try:
        module = import_module(ENGINES[name])
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            f"engine {name!r} needs the package {error.name!r}: pip install 'antiphon[tts-{name}]'"
        ) from error
    return cast(Load, module.load)(options)
