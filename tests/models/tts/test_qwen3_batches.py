"""Lines that join, pause, leave and crowd each other say what each says alone."""

import re
from dataclasses import replace

import numpy as np
import pytest

from services.tts.engines import Reference, Said
from services.tts.engines.qwen3.engine import CHUNKS, Qwen3Engine, Utterance
from services.tts.engines.qwen3.warming import SHARE
from tests.models.tts.conftest import (
    Heard,
    Loaded,
    line,
    make_engine,
    same,
    speak,
    step,
)

TEXTS = (
    "One two three four five.",
    "The quick brown fox jumps over the lazy dog.",
    "This is a test.",
    "How are you today?",
)
FRAME = 1920
FRAMES = 18


@pytest.fixture(scope="module")
def engine(loaded: Loaded) -> Qwen3Engine:
    return make_engine(loaded(end_after=None))


def alone(engine: Qwen3Engine, text: str, voice: str = "ryan") -> Heard:
    (heard,) = speak(engine, [line(text, voice)], frames=FRAMES)
    return heard


def agrees(one: Heard, other: Heard) -> bool:
    """Whether both are the same as far as both go."""
    length = min(len(one.samples), len(other.samples))
    return length >= 2 * FRAME and same(one.samples[:length], other.samples[:length])


def test_lines_that_join_one_after_the_other_are_not_changed(
    engine: Qwen3Engine,
) -> None:
    going: dict[Utterance, Heard] = {}
    for text in TEXTS:
        going[engine.begin(line(text))] = Heard()
        for _ in range(3):
            step(
                engine,
                {row: heard for row, heard in going.items() if not heard.finished},
            )
    for _ in range(FRAMES):
        step(engine, {row: heard for row, heard in going.items() if not heard.finished})
    for row, text in zip(going, TEXTS, strict=True):
        assert agrees(going[row], alone(engine, text))
        row.close()


@pytest.mark.parametrize("paused", [0, 1])
def test_a_line_that_pauses_goes_on_where_it_was(
    loaded: Loaded, reference: Reference, paused: int
) -> None:
    """Wherever it sits; without a transcript, since a clone's text is fed in frame by frame then."""
    engine = make_engine(loaded("base", end_after=None), batch=2)
    given = replace(reference, transcript="")
    lines = [line(text, "cloned", reference=given) for text in TEXTS[:2]]
    solo = [speak(engine, [one], frames=FRAMES)[0] for one in lines]
    rows = [engine.begin(one) for one in lines]
    heard = {row: Heard() for row in rows}
    step(engine, heard)
    assert [row.slot for row in rows] == [0, 1]
    for turn in range(2 * FRAMES):
        taking_part = rows if turn % 3 == 0 else [rows[1 - paused]]
        step(
            engine, {row: heard[row] for row in taking_part if not heard[row].finished}
        )
    for row, one in zip(rows, solo, strict=True):
        assert agrees(heard[row], one)
        row.close()


def test_a_slot_keeps_nothing_of_the_line_before(
    loaded: Loaded, reference: Reference
) -> None:
    given = replace(reference, transcript="")
    lines = [line(text, "cloned", reference=given) for text in TEXTS[:2]]
    engine = make_engine(loaded("base", end_after=None), batch=1)
    one_after_the_other = [speak(engine, [one], frames=FRAMES)[0] for one in lines]
    for heard, one in zip(one_after_the_other, lines, strict=True):
        fresh = make_engine(loaded("base", end_after=None), batch=1)
        assert agrees(heard, speak(fresh, [one], frames=FRAMES)[0])


def test_a_line_that_leaves_does_not_disturb_the_others(engine: Qwen3Engine) -> None:
    leaving, *staying = (engine.begin(line(text)) for text in TEXTS)
    heard = {row: Heard() for row in (leaving, *staying)}
    for _ in range(5):
        step(engine, heard)
    leaving.close()
    del heard[leaving]
    for _ in range(FRAMES):
        step(engine, {row: one for row, one in heard.items() if not one.finished})
    for row, text in zip(staying, TEXTS[1:], strict=True):
        assert agrees(heard[row], alone(engine, text))
        row.close()


def test_more_lines_than_places_are_put_aside_and_taken_up_again(
    loaded: Loaded,
) -> None:
    engine = make_engine(loaded(end_after=None), batch=2)
    solo = [alone(engine, text) for text in TEXTS]
    rows = [engine.begin(line(text)) for text in TEXTS]
    heard = {row: Heard() for row in rows}
    for turn in range(2 * FRAMES):
        chosen = rows[:2] if turn % 2 else rows[2:]
        step(engine, {row: heard[row] for row in chosen if not heard[row].finished})
    for row, one in zip(rows, solo, strict=True):
        assert agrees(heard[row], one)
        row.close()


def test_the_last_line_of_a_crowd_moves_down_unharmed(loaded: Loaded) -> None:
    engine = make_engine(loaded(end_after=None), batch=4)
    rows = [engine.begin(line(text)) for text in TEXTS]
    heard = {row: Heard() for row in rows}
    for _ in range(3):
        step(engine, heard)
    *others, last = rows
    for row in others:
        row.close()
    while not heard[last].finished and len(heard[last].pieces) < 6:
        step(engine, {last: heard[last]})
    assert last.slot == 0
    assert agrees(heard[last], alone(engine, TEXTS[-1]))
    last.close()


def test_sixteen_lines_together_say_what_each_says_alone(loaded: Loaded) -> None:
    engine = make_engine(loaded(end_after=None), batch=16)
    voices = [voice.name for voice in engine.capabilities.voices]
    lines = [(TEXTS[n % 4], voices[n % len(voices)]) for n in range(16)]
    together = speak(engine, [line(*one) for one in lines], frames=FRAMES)
    for heard, (text, voice) in zip(together, lines, strict=True):
        assert agrees(heard, alone(engine, text, voice))


def test_clones_of_different_references_are_not_mixed_up(
    loaded: Loaded, reference: Reference
) -> None:
    engine = make_engine(loaded("base"))
    flat = np.full(4 * 16_000, 0.05, np.float32)
    noise = flat * np.sign(np.sin(np.arange(len(flat))))
    other = Reference(noise.astype(np.float32), 16_000, "Four five.")
    lines = [line(TEXTS[0], "cloned", reference=one) for one in (reference, other)]
    together = speak(engine, lines, frames=FRAMES)
    for heard, one in zip(together, lines, strict=True):
        (solo,) = speak(engine, [one], frames=FRAMES)
        assert agrees(heard, solo)
    assert not agrees(*together)


def test_first_pieces_come_before_all_others(engine: Qwen3Engine) -> None:
    told: list[Said] = []
    early, late = (engine.begin(line(text)) for text in TEXTS[:2])
    heard = {early: Heard()}
    for _ in range(CHUNKS[0]):
        step(engine, heard)
    heard[late] = Heard()
    while not heard[late].pieces:
        told = step(engine, heard)
    assert [said.speech for said in told if said.piece] == [late, early]
    early.close()
    late.close()


def test_no_piece_is_waited_for_while_a_step_takes_its_share_of_real_time() -> None:
    played_until, now = 0.0, 0.0
    for place, frames in enumerate((*CHUNKS, *[CHUNKS[-1]] * 10)):
        now += frames * SHARE
        assert place == 0 or now <= played_until + 1e-9
        played_until = max(played_until, now) + frames


def test_as_many_lines_are_open_as_was_said(loaded: Loaded) -> None:
    engine = make_engine(loaded(), batch=1, max_open=2)
    assert engine.capabilities.open == 2
    first, second, third = (engine.begin(line(text)) for text in TEXTS[:3])
    step(engine, {first: Heard()})
    step(engine, {second: Heard()})
    (said,) = step(engine, {third: Heard()})
    assert said.error is not None
    first.close()
    (said,) = step(engine, {third: Heard()})
    assert said.error is None
    first.close()
    second.close()
    third.close()


def test_a_line_that_does_not_end_is_cut_off_by_the_length_of_its_text(
    loaded: Loaded,
) -> None:
    wrapper = loaded(end_after=None)
    (tokens,) = wrapper._tokenize_texts(["Hi."])
    (heard,) = speak(make_engine(wrapper), [line("Hi.")])
    assert heard.finished
    assert len(heard.samples) == (25 + 12 * tokens.shape[1]) * 1920


def test_a_line_that_fills_its_slot_harms_nobody_after_it_has_left(
    loaded: Loaded,
) -> None:
    """Its slot is still computed for the others: on CUDA, one index past the end breaks the device for good."""
    engine = make_engine(loaded(end_after=None), positions=64)
    filling, *others = (engine.begin(line(TEXTS[1])) for _ in range(4))
    heard = Heard()
    while not heard.finished:
        step(engine, {filling: heard})
    assert filling.position == 63
    going = {row: Heard() for row in others}
    step(engine, going)
    filling.close()
    for _ in range(3):
        step(engine, going)
    assert {row.slot for row in others} == {1, 2, 3}
    for row in others:
        row.close()


def test_a_line_that_is_too_long_fails_alone(loaded: Loaded) -> None:
    engine = make_engine(loaded(), positions=64)
    good, bad = speak(engine, [line("Hi."), line("Word. " * 60)], frames=4)
    assert re.search("too long", str(bad.error))
    assert not bad.pieces
    assert good.error is None
    assert good.pieces


def test_a_clone_without_a_reference_fails_alone(
    loaded: Loaded, reference: Reference
) -> None:
    engine = make_engine(loaded("base"))
    assert engine.capabilities.reference_required
    bad, good = speak(
        engine,
        [line("Hi.", "cloned"), line("Hi.", "cloned", reference=reference)],
        frames=4,
    )
    assert bad.error is not None
    assert good.pieces


def test_a_line_without_text_ends_at_once(engine: Qwen3Engine) -> None:
    (heard,) = speak(engine, [line(" ")], frames=1)
    assert heard.finished
    assert not heard.pieces
    assert heard.error is None
