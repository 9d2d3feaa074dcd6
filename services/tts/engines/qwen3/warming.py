"""Every step in every size before the first listener, and how many listeners can be kept up with."""

import re
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from services.runtime.errors import EngineError
from services.runtime.logs import get_logger
from services.tts.engines import BatchEngine, Capabilities, Delivery, Line, Reference

log = get_logger(__name__)

SHARE = 0.8
"""Of real time that a step may take: the rest is for reading prompts and references, and for whatever else runs."""
_STEPS = 9
"""Enough for the first four pieces, which are the most expensive ones for their length."""
_ROUNDS = 2
"""The first one finds kernels and fills caches."""
_TEXT = "This is what a reply sounds like before anybody listens, and all of it is thrown away again."
_REFERENCE_SECONDS = 3.0


def warm_up(engine: BatchEngine, sizes: Sequence[int], frame_seconds: float) -> int:
    """Speak in every size, as far as there is hope to keep up, and measure it.

    Args:
        engine: whose step it is.
        sizes: numbers of lines to take, rising.
        frame_seconds: of audio that a step makes of each line.

    Returns:
        How many lines it speaks in real time; 0 where it is slower.

    Raises:
        EngineError: the model does not work.
    """
    line = _line(engine.capabilities)
    allowed = SHARE * frame_seconds
    taken: list[tuple[int, float]] = []
    for size in sizes:
        seconds = min(_measure(engine, [line] * size) for _ in range(_ROUNDS))
        log.info("measured a step", lines=size, seconds=round(seconds, 4))
        taken.append((size, seconds))
        if seconds > allowed:
            break
    return most_lines(taken, allowed)


def most_lines(taken: Sequence[tuple[int, float]], allowed: float) -> int:
    """How many lines a step can take that may last this long; between two measured numbers, it is taken to rise evenly.

    Args:
        taken: numbers of lines, rising, and what a step of them took in seconds; none but the last is over ``allowed``.
        allowed: seconds.
    """
    last, seconds = taken[-1]
    if seconds <= allowed:
        return last
    for (fewer, before), (more, after) in pairwise(taken):
        if after > allowed:
            share = (allowed - before) / (after - before)
            return fewer + int(share * (more - fewer))
    return 0


def _measure(engine: BatchEngine, lines: Sequence[Line]) -> float:
    """Seconds that a step of these lines takes, its share of the decoding included, after the one that reads them."""
    speeches = [engine.begin(line) for line in lines]
    going, steps, began = list(speeches), 0, time.perf_counter()
    try:
        while going and steps < _STEPS:
            for said in engine.step(going):
                if said.error is not None:
                    raise said.error
                if said.finished:
                    going.remove(said.speech)
            steps += 1
            if steps == 1:
                began = time.perf_counter()
        if steps < 2:
            raise EngineError("the model says nothing")
        return (time.perf_counter() - began) / (steps - 1)
    finally:
        for speech in speeches:
            speech.close()


def _line(can: Capabilities) -> Line:
    voice = can.voices[0]
    reference = None
    if can.reference_required:
        count = round(_REFERENCE_SECONDS * can.sample_rate)
        noise = np.random.default_rng(0).normal(0.0, 0.05, count)
        reference = Reference(noise.astype(np.float32), can.sample_rate, "Hello.")
    delivery = Delivery(voice.name, voice.languages[0], reference=reference)
    words = tuple(word.span() for word in re.finditer(r"\S+", _TEXT))
    return Line(_TEXT, words, delivery)
