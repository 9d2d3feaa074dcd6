"""Hearing: the tape, and voice activity on real speech."""

import asyncio

import numpy as np
import pytest
import soundfile

from gateway.conversation.events import Heard, SpeechBegan, SpeechPaused
from gateway.hearing.listener import Listener
from gateway.hearing.tape import BYTES_PER_SECOND, Tape
from gateway.hearing.voice import WINDOW, SileroVoice, VoiceState
from services.runtime import models
from services.runtime.resample import Resampler
from tests.microphone import QUESTIONS, SPEECH
from tests.microphone import recording as recorded


@pytest.fixture
async def voice() -> SileroVoice:
    return SileroVoice(models.locate("silero-vad") / "silero_vad.onnx")


def recording(rate: int = 16_000) -> bytes:
    samples, original = soundfile.read(SPEECH, dtype="int16")
    resampler = Resampler(original, rate)
    return np.concatenate((resampler.push(samples), resampler.flush())).tobytes()


def test_a_tape_is_read_by_position_also_after_it_forgot() -> None:
    tape = Tape()
    samples = (np.arange(16_000 * 4) % 30_000).astype("<i2").tobytes()
    tape.append(samples)
    tape.forget(2.0)
    assert tape.end == 4.0
    assert tape.read(3.0) == samples[3 * BYTES_PER_SECOND :]
    assert (
        tape.read(3.0, 3.5) == samples[3 * BYTES_PER_SECOND : 7 * BYTES_PER_SECOND // 2]
    )
    assert tape.read(0.0) == samples[2 * BYTES_PER_SECOND :]


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("frame", [0.02, 0.04, 1.0])
async def test_phrases_of_a_recording_are_heard_at_any_rate_and_frame(
    voice: SileroVoice, rate: int, frame: float
) -> None:
    listener = Listener(voice, rate)
    samples, step = recording(rate), round(frame * rate) * 2
    noticed = []
    for start in range(0, len(samples), step):
        noticed += await listener.listen(samples[start : start + step], arrived=0.0)
    began = [event.at for event in noticed if isinstance(event, SpeechBegan)]
    paused = [event.at for event in noticed if isinstance(event, SpeechPaused)]
    assert began[0] == pytest.approx(0.35, abs=0.15)
    assert 4 <= len(began) <= 9
    assert all(start < end for start, end in zip(began, paused, strict=False))
    heard = [event.until for event in noticed if isinstance(event, Heard)]
    assert heard[-1] == pytest.approx(11.0, abs=0.1)
    assert listener.tape.end == pytest.approx(11.0, abs=0.05)
    await voice.close()


async def test_conversations_in_one_batch_do_not_hear_each_other(
    voice: SileroVoice,
) -> None:
    samples = np.frombuffer(recording(), "<i2").astype(np.float32) / 32768.0
    speech = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)[:100]
    quiet = np.zeros_like(speech)
    alone = await voice.probabilities(VoiceState(), speech)
    states = [VoiceState() for _ in range(6)]
    together = await asyncio.gather(
        *(
            voice.probabilities(state, speech if i % 2 else quiet)
            for i, state in enumerate(states)
        )
    )
    for index, probabilities in enumerate(together):
        if index % 2:
            assert probabilities == pytest.approx(alone, abs=1e-4)
        else:
            assert max(probabilities) < 0.2
    await voice.close()


async def test_noise_is_no_voice(voice: SileroVoice) -> None:
    listener = Listener(voice, 16_000)
    noise = (
        (np.random.default_rng(1).normal(0, 800, 16_000 * 5)).astype("<i2").tobytes()
    )
    noticed = await listener.listen(noise, arrived=0.0)
    assert [event for event in noticed if not isinstance(event, Heard)] == []
    await voice.close()


async def test_speech_ends_where_its_last_sound_ends(voice: SileroVoice) -> None:
    question = recorded(QUESTIONS[2])
    listener = Listener(voice, 16_000)
    noticed = await listener.listen(question.samples + bytes(32_000), arrived=0.0)
    (paused,) = [event.at for event in noticed if isinstance(event, SpeechPaused)][-1:]
    assert paused == pytest.approx(question.speech_end, abs=0.05)
    await voice.close()
