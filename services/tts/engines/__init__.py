"""Voices behind one small interface, one file an engine.

An engine is called from one worker thread, never concurrently. It knows nothing of streams, marks or scheduling: it is
given lines to say and yields audio in pieces small enough that something more urgent can be said in between. There are
two kinds: a `BatchEngine` says several lines in one step, an `Engine` says one (`services.tts.engines.solo` makes the
former of the latter).
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import EngineError, FailedPrecondition

Samples = NDArray[np.float32]


class EngineLost(Exception):
    """The model can say nothing any more until the process is started anew, as after an error of a GPU."""


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
        open: lines that may be begun and not closed at once, those included that wait for their listeners; None: any
            number.
        speed: whether ``Delivery.speed`` does anything.
        reference_required: whether it speaks in no other voice than that of ``Delivery.reference``.
        sentences: whether it says a whole sentence better than its clauses one by one.
    """

    model: str
    sample_rate: int
    voices: tuple[Voice, ...]
    word_marks: bool
    instructions: bool = False
    cloning: bool = False
    batch: int = 1
    open: int | None = None
    speed: bool = True
    reference_required: bool = False
    sentences: bool = False


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
        speed: relative to the voice's own, 0.5 to 2; 1 where not supported.
        instructions: how to speak, in words; empty where not supported.
        reference: a voice to imitate; None where not supported, never None where required.
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


@runtime_checkable
class BatchEngine(Protocol):
    """A model that says several lines at a time, one step of all of them after the other."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""

    def warm_up(self) -> int | None:
        """Run every step in every size that will come, so that the first reply is not slower than the next.

        Returns:
            Lines that it was measured to speak in real time at once, 0 where it is too slow even for one; None where it
            was not measured.

        Raises:
            EngineError: the model does not work.
        """

    def begin(self, line: Line) -> Speech:
        """Take a line on without computing anything; it joins the others with the first step that it is given to.

        No more are open at once than the capabilities allow.
        """

    def step(self, speeches: Sequence[Speech]) -> Iterator[Said]:
        """One step of each speech given; what is most urgent stands first, and what is ready is yielded at once.

        A speech that is left out of a step keeps its place and goes on later. Every speech given is yielded exactly
        once. The iterator is always read to its end.

        Raises:
            EngineError: the model failed on the whole step; none of the speeches given can go on.
            EngineLost: nothing can, now or later.
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
        model: which weights; what names there are is the engine's matter. Empty: those of `DEFAULT_MODELS`, which
            `load_engine` fills in.
        voice_name: what to call the voice of a model that has only one; empty: the model's own name for it.
        threads: of computation on the CPU.
        device: "cpu", "cuda" or "auto".
        precision: of the weights in the device's memory, in the engine's own words; "auto" leaves it to the engine.
        max_batch: lines in one step at most; None leaves it to the engine.
        max_open: lines that will be open at once at most, paused ones included; None: no more than a step takes.
    """

    model: str
    voice_name: str
    threads: int
    device: str = "auto"
    precision: str = "auto"
    max_batch: int | None = None
    max_open: int | None = None


Load = Callable[[EngineOptions], Engine | BatchEngine]

ENGINES: Mapping[str, str] = {
    "piper": "services.tts.engines.piper",
    "qwen3": "services.tts.engines.qwen3",
}
"""Module of each engine; its ``load`` is called once. It is imported only if it is chosen."""

DEFAULT_MODELS: Mapping[str, str] = {
    "piper": "piper-joe-medium",
    "qwen3": "Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice",
}
"""What each engine speaks with unless it is told otherwise."""


def load_engine(name: str, options: EngineOptions) -> Engine | BatchEngine:
    """Import and load an engine; takes seconds, and blocks.

    Raises:
        FailedPrecondition: there is no such engine, or its packages or weights are missing.
    """
    if name not in ENGINES:
        raise FailedPrecondition(
            f"there is no engine {name!r}; there are: {', '.join(ENGINES)}"
        )
    options = replace(options, model=options.model or DEFAULT_MODELS[name])
    try:
        return cast(Load, import_module(ENGINES[name]).load)(options)
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            f"engine {name!r} needs the package {error.name!r}: pip install 'antiphon[tts-{name}]' "
            "into an environment of its own, or do as docs/models.md says"
        ) from error
