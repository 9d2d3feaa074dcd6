"""What is spoken is what upstream's own ``generate_…`` functions speak, sample by sample, if chance is left out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from services.tts.engines import Reference
from tests.models.checkpoints import qwen3
from tests.models.tts.conftest import Heard, Loaded, line, make_engine, same, speak

TEXT = "Hello, how are you today?"
FRAMES = 24
# Upstream counts the code that it draws before the first frame.
CERTAIN: dict[str, Any] = {
    "do_sample": False,
    "subtalker_dosample": False,
    "max_new_tokens": FRAMES + 1,
}


def agrees(ours: Heard, theirs: NDArray[np.float32]) -> bool:
    """Whether two renderings are the same, as far as ours was let go on."""
    length = len(ours.samples)
    return same(ours.samples, theirs if ours.finished else theirs[:length])


@pytest.mark.parametrize("speaker", ["ryan", "eric"])
@pytest.mark.parametrize(
    ("language", "name"), [("en", "English"), ("zh", "Chinese"), ("und", "Auto")]
)
def test_a_speaker_says_what_upstream_says(
    loaded: Loaded, speaker: str, language: str, name: str
) -> None:
    wrapper = loaded()
    (ours,) = speak(
        make_engine(wrapper), [line(TEXT, speaker, language)], frames=FRAMES
    )
    (theirs,), _ = wrapper.generate_custom_voice(
        TEXT, speaker=speaker, language=name, **CERTAIN
    )
    assert agrees(ours, theirs)


@pytest.mark.parametrize("size", [qwen3.SMALL, qwen3.LARGE])
def test_instructions_are_heeded_where_upstream_heeds_them(
    loaded: Loaded, size: str
) -> None:
    wrapper = loaded(size=size)
    engine = make_engine(wrapper)
    plain, told = speak(
        engine, [line(TEXT), line(TEXT, instructions="Whisper.")], frames=FRAMES
    )
    (theirs,), _ = wrapper.generate_custom_voice(
        TEXT, speaker="ryan", language="English", instruct="Whisper.", **CERTAIN
    )
    assert agrees(told, theirs)
    heeded = not same(plain.samples, told.samples)
    assert heeded == engine.capabilities.instructions == (size == qwen3.LARGE)


def test_a_voice_is_made_up_as_upstream_makes_it_up(loaded: Loaded) -> None:
    wrapper = loaded("voice_design", qwen3.LARGE)
    told = "A warm narrator."
    (ours,) = speak(
        make_engine(wrapper),
        [line(TEXT, "designed", instructions=told)],
        frames=FRAMES,
    )
    (theirs,), _ = wrapper.generate_voice_design(
        TEXT, instruct=told, language="English", **CERTAIN
    )
    assert agrees(ours, theirs)


@pytest.mark.parametrize("transcript", ["One two three.", ""])
def test_a_voice_is_cloned_as_upstream_clones_it(
    loaded: Loaded, reference: Reference, transcript: str
) -> None:
    wrapper = loaded("base")
    given = replace(reference, transcript=transcript)
    (ours,) = speak(
        make_engine(wrapper), [line(TEXT, "cloned", reference=given)], frames=FRAMES
    )
    heard = soxr.resample(reference.samples, reference.sample_rate, 24_000)
    (theirs,), _ = wrapper.generate_voice_clone(
        TEXT,
        language="English",
        ref_audio=(heard.astype(np.float32), 24_000),
        ref_text=transcript or None,
        x_vector_only_mode=not transcript,
        **CERTAIN,
    )
    assert agrees(ours, theirs)


def test_a_line_ends_where_upstream_ends_it(loaded: Loaded) -> None:
    wrapper = loaded(end_after=2)
    (ours,) = speak(make_engine(wrapper), [line(TEXT)])
    (theirs,), _ = wrapper.generate_custom_voice(
        TEXT, speaker="ryan", language="English", **{**CERTAIN, "max_new_tokens": 200}
    )
    assert ours.finished
    assert agrees(ours, theirs)
