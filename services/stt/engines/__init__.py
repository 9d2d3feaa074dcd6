"""Recognizers behind one small interface, one file an engine.

A new engine is a new file here and a line in `ENGINES`. Batching, priorities, metrics, reuse of transcripts and
cancellation are around an engine (`services.stt.scheduler`, `services.stt.session`), never in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import FailedPrecondition

AUTO = "auto"
"""The language to ask for where the engine is to detect it."""

UNDETERMINED = "und"
"""BCP 47 tag of what has no words to tell a language by."""


class EngineLost(Exception):
    """The model can hear nothing any more until the process is started anew, as after an error of a GPU."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine is told when it is made.

    Attributes:
        model: name in the models catalogue, a file or folder, or an id on the Hugging Face Hub; empty: the engine's
            own default.
        device: "cpu", "cuda", "auto" (a GPU if there is one), or empty: the engine's own default.
        precision: of the weights in the device's memory, in the engine's own words; "auto" leaves it to the engine.
        threads: CPU threads of the engine.
        window_seconds: the longest utterance that it will be given, if it takes as much.
        batch: utterances that it will be given at once at most; None leaves it to the engine.
    """

    model: str
    device: str
    precision: str
    threads: int
    window_seconds: float = 20.0
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a recognizer can do.

    Attributes:
        model: the model as its publisher names it.
        sample_rate: the rate that it hears at, in Hz.
        languages: BCP 47 tags it takes, "auto" first where it detects languages.
        hint_phrases: whether they do anything.
        word_times: whether transcripts carry words with times.
        confidence: whether transcripts carry confidences.
        window_seconds: the longest utterance of one call.
        batch: utterances that one call gains from; 1 where a batch takes as long as its members one by one.
    """

    model: str
    sample_rate: int
    languages: tuple[str, ...]
    hint_phrases: bool
    word_times: bool
    confidence: bool
    window_seconds: float
    batch: int


def _always() -> bool:
    return True


@dataclass(slots=True)
class Memory:
    """What an engine keeps of an utterance that grows, for when it is given again with more audio.

    Attributes:
        kept: the engine's alone; whoever makes the memory puts nothing in.
    """

    kept: object = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech to transcribe.

    Attributes:
        samples: ``float32 [samples]`` at the engine's rate, in [-1, 1].
        language: BCP 47 tag, or "auto" where the engine detects languages.
        hint_phrases: phrases that are likely to occur.
        wanted: whether somebody still waits for it; safe to call from the worker thread. An engine asks between
            its steps and may return any transcript for what is not wanted.
        memory: the same for all that begins with the same sample, be it longer or shorter than the one before.
    """

    samples: NDArray[np.float32]
    language: str
    hint_phrases: tuple[str, ...] = ()
    wanted: Callable[[], bool] = _always
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Word:
    """One word and where it was heard.

    Attributes:
        text: with its punctuation, without surrounding space.
        start: seconds on the utterance's audio clock.
        end: seconds, never before start.
        confidence: probability that it is right, 0 to 1; 0 where the engine gives none.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one utterance.

    Attributes:
        text: punctuated text; empty where the engine heard no words.
        words: in order, covering the text; empty where the engine gives no times.
        language: BCP 47 tag, as detected or as asked for.
        confidence: probability that it is right, 0 to 1; 0 where the engine gives none.
    """

    text: str
    words: tuple[Word, ...]
    language: str
    confidence: float


class Recognizer(Protocol):
    """A speech-to-text model. Called from one worker thread, never concurrently."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def warm_up(self) -> int | None:
        """Run every step of the model once, so that the first utterance is not slower than the next.

        Returns:
            Streams that it was measured to carry in real time at once; None where it was not measured.

        Raises:
            EngineError: the model failed.
        """

    def transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        """Transcribe a batch; one result an utterance, in order.

        Raises:
            EngineError: the model failed on the whole batch; nothing was transcribed.
            EngineLost: and will fail on all others.
        """


Load = Callable[[EngineOptions], Recognizer]


def _from(module: str, extra: str) -> Load:
    """A factory that imports its engine's packages when it is called."""

    def load(options: EngineOptions) -> Recognizer:
        try:
            return cast(Load, import_module(module).load)(options)
        except ModuleNotFoundError as error:
            raise FailedPrecondition(
                f"this engine needs the package {error.name!r}: pip install 'antiphon[{extra}]'"
            ) from error

    return load


ENGINES: Mapping[str, Load] = {
    "whisper": _from("services.stt.engines.whisper", "stt-whisper"),
    "parakeet": _from("services.stt.engines.parakeet", "stt-parakeet"),
}
"""Engines by name. A factory raises ``FailedPrecondition`` where the engine's packages or its model cannot be had."""
