"""End-of-turn prediction: the features against Whisper's own, the model on real speech, and who is turned away."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.hearing.ending import SmartTurn
from gateway.hearing.log_mel import BANDS, FRAMES, SAMPLES, Floats, log_mel
from services.runtime import models
from tests.fakes.hearing import silence
from tests.microphone import QUESTIONS, RATE, SPEECH, recording

PAUSE = silence(0.16)

WHISPER = FeatureExtractor(chunk_length=8)


def whispers(samples: Floats) -> Floats:
    """Whisper's features of 8 s that end with the samples, silence in front, brought to mean 0 and variance 1."""
    whole = np.concatenate((np.zeros(SAMPLES, np.float32), samples))[-SAMPLES:]
    level = (whole - whole.mean()) / np.sqrt(whole.var() + 1e-7)
    features: Floats = WHISPER(level, padding=0)
    return features


def floats(pcm: bytes) -> Floats:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0


def noise(count: int, loudness: float = 0.1) -> Floats:
    return np.random.default_rng(count).normal(0, loudness, count).astype(np.float32)


def counted(outcome: str) -> float:
    labels = {"outcome": outcome}
    return REGISTRY.get_sample_value("antiphon_end_predictions_total", labels) or 0.0


@pytest.mark.parametrize("path", [*QUESTIONS, SPEECH], ids=lambda path: path.stem)
def test_features_of_speech_are_whispers(path: Path) -> None:
    samples = floats(recording(path).samples)
    assert np.abs(log_mel(samples) - whispers(samples)).max() < 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, SAMPLES + 1000), st.sampled_from([0.0, 1e-4, 0.1, 0.9]))
@example(0, 0.1)
@example(1, 0.1)
@example(SAMPLES - 200, 0.1)
@example(SAMPLES - 359, 0.1)
@example(SAMPLES - 360, 0.1)
@example(SAMPLES - 1, 0.1)
@example(SAMPLES, 0.1)
@example(SAMPLES + 1, 0.1)
def test_features_of_any_length_are_whispers(count: int, offset: float) -> None:
    samples = noise(count) + np.float32(offset)
    found = log_mel(samples)
    assert found.shape == (BANDS, FRAMES)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found - whispers(samples)).max() < 1e-3


def test_silence_in_front_changes_nothing() -> None:
    samples = noise(RATE)
    quiet = np.zeros(3 * RATE, np.float32)
    np.testing.assert_allclose(
        log_mel(np.concatenate((quiet, samples))), log_mel(samples), atol=1e-5
    )


def test_only_the_last_eight_seconds_count() -> None:
    samples = noise(SAMPLES + RATE)
    np.testing.assert_array_equal(log_mel(samples), log_mel(samples[-SAMPLES:]))


def test_how_loud_one_speaks_changes_nothing() -> None:
    samples = noise(3 * RATE)
    np.testing.assert_allclose(log_mel(0.3 * samples), log_mel(samples), atol=1e-3)


def test_a_tone_is_strongest_in_its_own_band() -> None:
    times = np.arange(SAMPLES, dtype=np.float32) / RATE
    strongest = [
        int(log_mel(np.sin(2 * np.pi * hertz * times)).mean(axis=1).argmax())
        for hertz in (200, 500, 1000, 2000, 4000, 7000)
    ]
    # Slaney's scale puts 1 kHz at mel 15 of 45.25, the bands' peaks 45.25 / 81 apart.
    assert strongest == sorted(set(strongest))
    assert strongest[2] == pytest.approx(15 / (45.25 / 81) - 1, abs=1)


class ScriptedSession:
    """A model that answers as it is told to, when it is told to.

    Args:
        answers: in order: a probability, or what it raises.
        held: whether it waits for ``go_on``.
    """

    def __init__(self, *answers: float | Exception, held: bool = False) -> None:
        self._answers = list(answers)
        self.go_on = threading.Event()
        self.reached = threading.Event()
        if not held:
            self.go_on.set()

    def run(
        self, outputs: Sequence[str], feed: Mapping[str, Floats]
    ) -> Sequence[Floats]:
        assert feed["input_features"].shape == (1, BANDS, FRAMES)
        self.reached.set()
        self.go_on.wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [np.array([[answer]], np.float32)]


async def test_who_would_wait_behind_too_many_is_answered_none_at_once() -> None:
    session = ScriptedSession(0.25, 0.5, 0.75, 1.0, held=True)
    ending = SmartTurn(session, most_waiting=2)
    busy = counted("busy")
    asked = [asyncio.create_task(ending.probability(PAUSE)) for _ in range(3)]
    await asyncio.to_thread(session.reached.wait)
    assert await ending.probability(PAUSE) is None
    assert counted("busy") == busy + 1
    session.go_on.set()
    assert await asyncio.gather(*asked) == [0.25, 0.5, 0.75]
    assert await ending.probability(PAUSE) == 1.0
    await ending.close()


async def test_who_gives_up_before_its_turn_is_skipped_and_frees_its_place() -> None:
    session = ScriptedSession(0.25, 0.5, held=True)
    ending = SmartTurn(session, most_waiting=1)
    runs = asyncio.create_task(ending.probability(PAUSE))
    await asyncio.to_thread(session.reached.wait)
    waits = asyncio.create_task(ending.probability(PAUSE))
    await asyncio.sleep(0)
    assert await ending.probability(PAUSE) is None
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    later = asyncio.create_task(ending.probability(PAUSE))
    await asyncio.sleep(0)
    session.go_on.set()
    assert await runs == 0.25
    assert await later == 0.5
    await ending.close()


async def test_who_gives_up_while_it_runs_keeps_its_place_till_it_ends() -> None:
    session = ScriptedSession(0.25, held=True)
    ending = SmartTurn(session, most_waiting=0)
    runs = asyncio.create_task(ending.probability(PAUSE))
    await asyncio.to_thread(session.reached.wait)
    runs.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runs
    assert await ending.probability(PAUSE) is None
    session.go_on.set()
    await ending.close()


async def test_closing_lets_what_was_asked_be_answered() -> None:
    session = ScriptedSession(0.25, 0.5, held=True)
    ending = SmartTurn(session)
    asked = [asyncio.create_task(ending.probability(PAUSE)) for _ in range(2)]
    await asyncio.to_thread(session.reached.wait)
    closing = asyncio.create_task(ending.close())
    await asyncio.sleep(0)
    session.go_on.set()
    await closing
    assert await asyncio.gather(*asked) == [0.25, 0.5]


async def test_a_failure_is_no_answer_and_told_once_until_the_model_works() -> None:
    a, b, c = ValueError("a"), ValueError("b"), ValueError("c")
    ending = SmartTurn(ScriptedSession(a, b, 0.5, c))
    failed, made = counted("failed"), counted("made")
    with capture_logs() as logs:
        answers = [await ending.probability(PAUSE) for _ in range(4)]
    assert answers == [None, None, 0.5, None]
    assert [entry["exc_info"] for entry in logs] == [a, c]
    assert counted("failed") == failed + 3
    assert counted("made") == made + 1
    await ending.close()


@pytest.fixture
async def smart_turn() -> AsyncIterator[SmartTurn]:
    if not models.catalogue()["smart-turn"].present:
        pytest.skip("model smart-turn has not been fetched")
    ending = SmartTurn.load(models.locate("smart-turn") / "smart-turn.onnx")
    yield ending
    await ending.close()


@pytest.mark.parametrize("number", [1, 3, 10])
async def test_a_question_to_its_end_is_done(
    smart_turn: SmartTurn, number: int
) -> None:
    said = recording(QUESTIONS[number - 1])
    speech = said.samples[: 2 * round(said.speech_end * RATE)]
    found = await smart_turn.probability(speech + PAUSE)
    assert found is not None
    assert found > 0.5


@pytest.mark.parametrize(
    "end", [1.06, 4.3, 6.76, 9.28], ids=["and so", "ask not", "country can", "what you"]
)
async def test_a_sentence_cut_off_is_not_done(
    smart_turn: SmartTurn, end: float
) -> None:
    said = recording(SPEECH, end=end)
    found = await smart_turn.probability(said.samples + PAUSE)
    assert found is not None
    assert found < 0.5


@pytest.mark.parametrize("length", [0, 1, 2, 3, 321, 2 * SAMPLES + 1, 20 * RATE])
async def test_any_number_of_bytes_gets_a_probability(
    smart_turn: SmartTurn, length: int
) -> None:
    samples = np.random.default_rng(length).bytes(length)
    found = await smart_turn.probability(samples)
    assert found is not None
    assert 0.0 <= found <= 1.0
    assert found == await smart_turn.probability(samples[: length // 2 * 2])


async def test_the_model_hears_no_more_than_the_last_eight_seconds(
    smart_turn: SmartTurn,
) -> None:
    speech = recording(SPEECH).samples
    # Half a sample behind the last whole one must not shift the others.
    assert await smart_turn.probability(speech + b"\1") == (
        await smart_turn.probability(speech[-2 * SAMPLES :])
    )
