"""Parakeets in miniature: a random one, and one that understands tones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from services.stt.engines import EngineOptions, Utterance
from services.stt.engines.parakeet import load
from tests.models.checkpoints import parakeet, toy_parakeet

Samples = NDArray[np.float32]
Spoken = Callable[..., list[Samples]]

_TRIES = 200


@pytest.fixture(scope="session")
def tiny() -> Path:
    return parakeet.tiny()


@pytest.fixture(scope="session")
def toy() -> Path:
    return toy_parakeet.toy()


@pytest.fixture(scope="session")
def spoken(toy: Path) -> Spoken:
    """Phrases spoken so clearly that the engine hears each of them right behind those before it.

    The miniature mistakes a word now and then; what is tested with this is the service around it.
    """
    engine = load(EngineOptions(str(toy), "cpu", "auto", 1))

    def heard(samples: list[Samples]) -> str:
        (transcript,) = engine.transcribe([Utterance(np.concatenate(samples), "en")])
        return transcript.text

    def spoken(*phrases: str) -> list[Samples]:
        said: list[Samples] = []
        for number in range(len(phrases)):
            text = " ".join(phrases[: number + 1])
            for seed in range(_TRIES):
                generator = np.random.default_rng(seed)
                samples, _ = toy_parakeet.say(phrases[number].split(), generator)
                if heard([*said, samples]) == text:
                    said.append(samples)
                    break
            else:
                raise AssertionError(f"{text!r} was never heard right")
        return said

    return spoken
