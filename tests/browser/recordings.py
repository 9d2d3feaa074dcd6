"""Recorded questions, as a client would send them."""

import io
import wave
from pathlib import Path

import numpy as np
import soundfile

from services.runtime.resample import Resampler

QUESTIONS = Path(__file__).parents[2] / "assets" / "questions"


def pcm(name: str, rate: int) -> bytes:
    """A recorded question as 16-bit mono PCM at ``rate`` Hz."""
    samples, recorded = soundfile.read(QUESTIONS / name, dtype="int16")
    resampler = Resampler(recorded, rate)
    whole = np.concatenate((resampler.push(samples), resampler.flush()))
    return whole.astype("<i2").tobytes()


def wav(samples: bytes, rate: int) -> bytes:
    """A WAV file of 16-bit mono PCM."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()
