"""Loaded checkpoints, and a stage to let lines speak on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.tts.engines import BatchEngine, Delivery, Line, Reference, Said, Speech
from services.tts.engines.qwen3.engine import Qwen3Engine
from services.tts.engines.qwen3.importing import qwen_tts
from services.tts.engines.qwen3.voices import read_offer
from tests.models.checkpoints import qwen3

Wrapper = Any
Loaded = Callable[..., Wrapper]


@dataclass
class Heard:
    """What came of one line."""

    pieces: list[NDArray[np.float32]] = field(default_factory=list)
    finished: bool = False
    error: Exception | None = None

    def take(self, said: Said) -> None:
        if said.piece is not None:
            self.pieces.append(said.piece.samples)
        self.finished = self.finished or said.finished
        self.error = self.error or said.error

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate(self.pieces)


def line(
    text: str,
    voice: str = "ryan",
    language: str = "en",
    instructions: str = "",
    reference: Reference | None = None,
) -> Line:
    delivery = Delivery(voice, language, instructions=instructions, reference=reference)
    return Line(text, (), delivery)


def step(engine: BatchEngine, heard: dict[Speech, Heard]) -> list[Said]:
    """One step of all of these; what it says is taken, in order."""
    told = list(engine.step(list(heard)))
    assert {said.speech for said in told} == set(heard)
    assert len(told) == len(heard)
    for said in told:
        heard[said.speech].take(said)
    return told


def speak(
    engine: BatchEngine, lines: Iterable[Line], frames: int | None = None
) -> list[Heard]:
    """Speak lines together, to their ends or for so many frames, and close them."""
    heard = {engine.begin(one): Heard() for one in lines}
    going, steps = dict(heard), 0
    while going and (frames is None or steps < frames):
        step(engine, going)
        steps += 1
        for speech in [speech for speech, one in going.items() if one.finished]:
            del going[speech]
    for speech in heard:
        speech.close()
    return list(heard.values())


def make_engine(wrapper: Wrapper, batch: int = 4, **options: Any) -> Qwen3Engine:
    options = {"greedy": True, "max_open": 2 * batch, **options}
    offer = read_offer(wrapper.model, "")
    return Qwen3Engine(wrapper, offer, "tiny", batch, **options)


def same(
    one: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    other: Sequence[NDArray[np.float32]] | NDArray[np.float32],
) -> bool:
    """Equal to rounding: 1e-4 of a full scale of 1, -80 dB."""
    left, right = np.asarray(one), np.asarray(other)
    return left.shape == right.shape and bool(np.abs(left - right).max() < 1e-4)


@pytest.fixture(scope="session")
def loaded() -> Loaded:
    """A checkpoint of the kind and size asked for, as upstream loads it; one of each."""
    wrappers: dict[tuple[Any, ...], Wrapper] = {}

    def load(
        kind: str = "custom_voice", size: str = qwen3.SMALL, end_after: int | None = 30
    ) -> Wrapper:
        key = (kind, size, end_after)
        if key not in wrappers:
            folder = qwen3.tiny(kind, size, end_after)
            wrappers[key] = qwen_tts().Qwen3TTSModel.from_pretrained(str(folder))
        return wrappers[key]

    return load


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Three seconds of a hum that moves, at a rate that is not the model's."""
    at = np.arange(3 * 16_000) / 16_000
    tone = 0.1 * np.sin(2 * np.pi * (120 + 20 * np.sin(2 * at)) * at)
    return Reference(tone.astype(np.float32), 16_000, "One two three.")
