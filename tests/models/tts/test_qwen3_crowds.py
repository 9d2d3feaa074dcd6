"""Many more lines than places, which come, pause, fail and are given up in any order: each says what it says alone."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from services.tts.engines import EngineLost, Reference
from services.tts.engines.qwen3.codec import CodecDecoder
from services.tts.engines.qwen3.engine import Qwen3Engine
from services.tts.engines.qwen3.talker import Talker
from services.tts.scheduler import Reply, Scheduler
from tests.models.tts.conftest import (
    Heard,
    Loaded,
    line,
    make_engine,
    same,
    speak,
    step,
)

BATCH = 3
REPLIES = 3 * BATCH
LINES = 3
TEXTS = (
    "One two three four five.",
    "The quick brown fox jumps over the lazy dog.",
    "Yes.",
    "How are you today?",
)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_whatever_comes_pauses_and_goes_each_line_is_what_it_is_alone(
    loaded: Loaded, reference: Reference, seed: int
) -> None:
    engine = make_engine(loaded("base"), batch=BATCH, max_open=REPLIES)
    lines = [line(text, "cloned", reference=reference) for text in TEXTS]
    alone = [speak(engine, [one])[0].samples for one in lines]
    scheduler = Scheduler(engine, "qwen3", max_ahead_seconds=0.6)
    scheduler.start()
    chance = random.Random(seed)
    checked: list[bool] = []

    async def hear(reply: Reply, which: int, most: int) -> None:
        """So many pieces of a line, each taken a while after the one before."""
        said: list[NDArray[np.float32]] = []
        saying = scheduler.say(reply, lines[which])
        try:
            while len(said) < most and (piece := await saying.next()) is not None:
                said.append(piece.samples)
                for _ in range(chance.choice((0, 0, 1, 30))):
                    await asyncio.sleep(0)
                scheduler.wrote(reply, len(piece.samples) / 24_000)
        finally:
            saying.close()
        if most:
            heard, expected = np.concatenate(said), alone[which]
            given_up = len(said) == most
            checked.append(
                same(heard, expected[: len(heard)] if given_up else expected)
            )

    async def converse() -> None:
        reply = Reply()
        for _ in range(LINES):
            most = chance.choice((0, 1, 3, 100, 100, 100))
            await hear(reply, chance.randrange(len(TEXTS)), most)

    async with asyncio.TaskGroup() as replies:
        for _ in range(REPLIES):
            replies.create_task(converse())
    assert len(checked) > REPLIES
    assert all(checked)
    # All places are free again: as many lines as before find one.
    speak(engine, [lines[2]] * BATCH, frames=1)
    await scheduler.stop()


def test_lines_whose_prompts_cannot_be_read_fail_alone(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(loaded(end_after=None))
    (alone,) = speak(engine, [line(TEXTS[0])], frames=9)
    going, new = (engine.begin(line(text)) for text in TEXTS[:2])
    heard = {going: Heard()}
    step(engine, heard)

    def fail(talker: Talker, joining: Sequence[Any]) -> None:
        raise RuntimeError("no memory for so many at once")

    with monkeypatch.context() as broken:
        broken.setattr(Talker, "join", fail)
        heard[new] = Heard()
        step(engine, heard)
    failed = heard.pop(new)
    assert failed.error is not None
    new.close()
    for _ in range(7):
        step(engine, heard)
    assert same(heard[going].samples, alone.samples)
    going.close()


def test_lines_whose_codes_cannot_be_decoded_fail_alone(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(loaded(end_after=None))
    (alone,) = speak(engine, [line(TEXTS[0])], frames=8)
    early, late = (engine.begin(line(text)) for text in TEXTS[:2])
    heard = {early: Heard()}
    for _ in range(2):
        step(engine, heard)
    decode = CodecDecoder.decode

    def fail_first(codec: CodecDecoder, batch: Sequence[Any]) -> Any:
        if batch[0][0] is late.stream:
            raise RuntimeError("no memory")
        return decode(codec, batch)

    monkeypatch.setattr(CodecDecoder, "decode", fail_first)
    heard[late] = Heard()
    for _ in range(2):
        step(engine, heard)
    assert heard.pop(late).error is not None
    late.close()
    for _ in range(4):
        step(engine, heard)
    assert same(heard[early].samples, alone.samples)
    early.close()


def test_an_error_of_the_device_is_the_end_of_the_engine(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(talker: Talker, slots: Sequence[int]) -> None:
        raise torch.AcceleratorError("device-side assert triggered")

    engine = make_engine(loaded())
    monkeypatch.setattr(Talker, "step", fail)
    with pytest.raises(EngineLost, match="assert"):
        list(engine.step([engine.begin(line("Yes."))]))


def test_five_hundred_lines_leave_nothing_behind(loaded: Loaded) -> None:
    engine: Qwen3Engine = make_engine(loaded(end_after=None), batch=2, max_open=2)
    places = set()
    for _ in range(250):
        rows = [engine.begin(line("Yes.")) for _ in range(2)]
        step(engine, {row: Heard() for row in rows})
        places |= {(row.slot, row.stream.slot) for row in rows if row.stream}
        for row in rows:
            row.close()
    assert len(places) <= 4
