"""The real model on real speech, and on what is none."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest

from services.runtime.errors import EngineError, FailedPrecondition
from services.runtime.models import catalogue
from services.stt.engines import EngineOptions, Utterance
from services.stt.engines.weights import find, publishers_name
from services.stt.scheduler import Scheduler
from services.stt.session import Session, SessionOptions


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


MODEL = "whisper-tiny-en"
RATE = 16_000
SPEECH = Path(__file__).parents[3] / "assets" / "jfk.wav"
SAID = words(
    "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country"
)

if not catalogue()[MODEL].present:
    pytest.skip(f"model {MODEL} has not been fetched", allow_module_level=True)

from services.stt.engines.whisper import Whisper  # needs the engine's packages


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    engine = Whisper(EngineOptions(MODEL, "cpu", "auto", 1))
    engine.warm_up()
    return engine


@pytest.fixture(scope="module")
def pcm() -> bytes:
    with wave.open(str(SPEECH)) as file:
        return file.readframes(file.getnframes())


@pytest.fixture(scope="module")
def speech(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def test_speech_is_understood_word_for_word(
    whisper: Whisper, speech: np.ndarray
) -> None:
    (heard,) = whisper.transcribe([Utterance(speech, "en")])
    assert words(heard.text) == SAID
    assert heard.text == " ".join(word.text for word in heard.words)
    assert heard.language == "en"
    assert 0.5 < heard.confidence <= 1.0


def test_words_have_rising_times_without_the_pauses_between_them(
    whisper: Whisper, speech: np.ndarray
) -> None:
    (heard,) = whisper.transcribe([Utterance(speech, "en")])
    clock = 0.0
    for word in heard.words:
        assert clock <= word.start <= word.end <= len(speech) / RATE
        assert 0.0 <= word.confidence <= 1.0
        clock = word.end
    ask = heard.words[SAID.index("ask")]
    assert 3.0 < ask.start < 3.5, "the speaker pauses from 2.2 to 3.25 s"


def test_a_batch_gives_what_its_members_give_alone(
    whisper: Whisper, speech: np.ndarray
) -> None:
    batch = [
        Utterance(speech[: 3 * RATE], "en"),
        Utterance(speech[3 * RATE :], "en"),
        Utterance(speech[8 * RATE :], "en", ("country",)),
        Utterance(np.zeros(RATE, np.float32), "en"),
    ]
    together = [each.text for each in whisper.transcribe(batch)]
    assert together == [whisper.transcribe([each])[0].text for each in batch]


def _noises() -> dict[str, np.ndarray]:
    random, time = np.random.default_rng(0), np.arange(2 * RATE) / RATE
    click = np.zeros(2 * RATE)
    click[RATE : RATE + 400] = random.standard_normal(400) * np.exp(
        -np.arange(400) / 80
    )
    return {
        "nothing": np.zeros(0),
        "zeros": np.zeros(2 * RATE),
        "a blink": random.standard_normal(RATE // 10) * 0.1,
        "quiet room": random.standard_normal(2 * RATE) * 0.003,
        "loud noise": random.standard_normal(10 * RATE) * 0.2,
        "hum": np.sin(2 * np.pi * 50 * time) * 0.05,
        "tone": np.sin(2 * np.pi * 440 * time) * 0.1,
        "click": click * 0.3,
    }


@pytest.mark.parametrize("kind", _noises())
@pytest.mark.parametrize("hints", [(), ("Kowalczyk", "gRPC")])
def test_what_is_no_speech_has_no_words(
    whisper: Whisper, kind: str, hints: tuple[str, ...]
) -> None:
    noise = _noises()[kind].astype(np.float32)
    (heard,) = whisper.transcribe([Utterance(noise, "en", hints)])
    assert (heard.text, heard.words) == ("", ())


def test_what_nobody_wants_is_not_transcribed(
    whisper: Whisper, speech: np.ndarray
) -> None:
    unwanted = Utterance(speech, "en", wanted=lambda: False)
    assert whisper.transcribe([unwanted])[0].text == ""


def test_more_than_its_window_is_refused(whisper: Whisper) -> None:
    noise = np.full(31 * RATE, 0.1, np.float32)
    with pytest.raises(EngineError, match="30 s"):
        whisper.transcribe([Utterance(noise, "en")])


async def test_speech_longer_than_the_window_loses_no_word(
    whisper: Whisper, pcm: bytes
) -> None:
    scheduler = Scheduler(lambda: whisper, None)
    await scheduler.start()
    session = Session(
        scheduler,
        SessionOptions(
            sample_rate=RATE,
            language="en",
            hint_phrases=(),
            interim_results=False,
            partial_interval_seconds=0.8,
            early_seconds=0.0,
            longest_utterance_seconds=300.0,
            window_seconds=20.0,
        ),
    )
    times = 4
    for _ in range(times):
        for start in range(0, len(pcm), 2 * RATE):
            session.hear(pcm[start : start + 2 * RATE])
    heard = await session.transcript(session.finish())
    await scheduler.stop()
    assert words(heard.text).count("country") == 2 * times
    assert words(heard.text).count("americans") == times
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    assert heard.words[-1].end > (times - 1) * len(pcm) / 2 / RATE + 10


def test_a_model_that_is_nowhere_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="catalogue"):
        find("whisper-huge", ())
    with pytest.raises(FailedPrecondition, match="could be loaded"):
        Whisper(EngineOptions(str(tmp_path), "cpu", "auto", 1))
    with pytest.raises(FailedPrecondition, match="could be loaded"):
        Whisper(EngineOptions(MODEL, "cpu", "int7", 1))


def test_models_are_called_as_their_publishers_call_them() -> None:
    assert publishers_name("whisper-tiny-en") == "tiny.en"
    assert publishers_name("Systran/faster-whisper-base.en") == "base.en"
    assert publishers_name("/models/large-v3/") == "large-v3"
