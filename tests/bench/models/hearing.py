"""Speech to text at full size: how long after the end of an utterance its transcript is there.

So many people at once, each of whom speaks for as long, waits a second, and speaks again; their ends are spread evenly.
Sessions and scheduler are the service's own, in this process: what gRPC adds is not in it.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from services.stt.engines import ENGINES
from services.stt.scheduler import Scheduler
from services.stt.session import Session, SessionOptions
from services.stt.settings import SpeechToTextSettings
from tests.bench.figures import percentiles, table

RATE = 16_000
FRAME = 0.08
"""Seconds of audio that a client sends at a time."""
GAP = 1.0
"""Seconds of silence between a person's utterances."""


async def measure(
    console: Console,
    checkpoint: Path,
    device: str,
    seconds: Sequence[float],
    streams: Sequence[int],
    rounds: int,
) -> dict[str, Any]:
    """Print and return a row for each length and number of people, with interim results and without."""
    settings = SpeechToTextSettings(
        engine="parakeet", model=str(checkpoint), device=device
    )
    options = settings.options()
    scheduler = Scheduler(lambda: ENGINES["parakeet"](options), settings.max_batch)
    began = time.perf_counter()
    await scheduler.start()
    console.print(
        f"Loaded and warm after {time.perf_counter() - began:.0f} s", highlight=False
    )
    rows: list[dict[str, object]] = []
    try:
        for interim in (False, True):
            for length in seconds:
                rows += await _length(
                    console, scheduler, settings, length, streams, rounds, interim
                )
    finally:
        await scheduler.stop()
    console.print(
        table("Speech to text: end of the utterance to its transcript (ms)", rows)
    )
    return {"checkpoint": checkpoint.name, "gap_s": GAP, "rows": rows}


async def _length(
    console: Console,
    scheduler: Scheduler,
    settings: SpeechToTextSettings,
    length: float,
    streams: Sequence[int],
    rounds: int,
    interim: bool,
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    hopeless = ""
    for count in streams:
        row: dict[str, object] = {
            "utterance s": f"{length:g}",
            "interim results": "yes" if interim else "no",
            "streams": count,
        }
        if hopeless:
            row |= {"finals": 0, "p50": "not run", "p95": hopeless}
        else:
            finals = await _speak(scheduler, settings, length, count, rounds, interim)
            row |= {"finals": len(finals), **percentiles(finals)}
            # The next row has at least four times as many people: they would queue without end.
            if float(np.percentile(finals, 50)) > length + GAP:
                hopeless = f"{count} is too many already"
            elif (
                scheduler.engine.capabilities.batch < 16
                and np.median(finals) * 4 > length + GAP
            ):
                hopeless = "a CPU gains next to nothing from batches"
        rows.append(row)
        console.print(row, highlight=False)
    return rows


async def _speak(
    scheduler: Scheduler,
    settings: SpeechToTextSettings,
    length: float,
    count: int,
    rounds: int,
    interim: bool,
) -> list[float]:
    """Seconds from the end of each utterance to its transcript."""
    options = SessionOptions(
        sample_rate=RATE,
        language=scheduler.engine.capabilities.languages[0],
        hint_phrases=(),
        interim_results=interim,
        partial_interval_seconds=settings.partial_interval_seconds,
        early_seconds=0.0,
        longest_utterance_seconds=settings.longest_utterance_seconds,
        window_seconds=settings.window_seconds,
    )
    loop = asyncio.get_running_loop()
    begins = loop.time()
    waits: list[float] = []

    async def person(index: int) -> None:
        for number in range(rounds):
            starts = begins + (number + index / count) * (length + GAP)
            session = Session(scheduler, options)
            try:
                async with asyncio.TaskGroup() as group:
                    partials = group.create_task(_partials(session))
                    for position, frame in enumerate(_speech(length, index), start=1):
                        await _until(starts + position * FRAME)
                        session.hear(frame)
                    ended = time.perf_counter()
                    decode = session.finish()
                    await session.transcript(decode)
                    waits.append(time.perf_counter() - ended)
                    await partials
            finally:
                session.close()

    async with asyncio.TaskGroup() as group:
        for index in range(count):
            group.create_task(person(index))
    return waits


async def _partials(session: Session) -> None:
    while await session.next_partial() is not None:
        pass


async def _until(when: float) -> None:
    """The pace of a microphone."""
    await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))


def _speech(seconds: float, seed: int) -> Iterator[bytes]:
    """Frames of a tone that wanders and swells four times a second, loud to the end."""
    clock = np.arange(round(seconds * RATE)) / RATE
    pitch = 180 + 60 * np.sin(2 * np.pi * (0.7 * clock + seed / 7))
    voice = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * clock)
    noise = np.random.default_rng(seed).standard_normal(len(clock)) * 0.01
    samples = ((0.3 * voice * swell + noise) * 32767).astype("<i2")
    step = round(FRAME * RATE)
    for start in range(0, len(samples), step):
        yield samples[start : start + step].tobytes()
