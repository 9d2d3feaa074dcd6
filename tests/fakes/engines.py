"""A scripted recognizer and the speech that it understands: each word is a tone of its own pitch."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.runtime.errors import EngineError
from services.stt.engines import (
    AUTO,
    Capabilities,
    EngineLost,
    Transcript,
    Utterance,
    Word,
)

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORD_SECONDS, GAP_SECONDS = 0.3, 0.06
_PITCH, _STEP = 300.0, 100.0
_NOISE = 0.0003


def say(text: str, rate: int = 16_000) -> bytes:
    """Speech of the words of a text, without silence around it.

    Returns:
        16-bit PCM at ``rate`` Hz.
    """
    gap = np.zeros(round(GAP_SECONDS * rate))
    pieces = [gap[:0]]
    for word in text.split():
        pitch = _PITCH + _STEP * WORDS.index(word)
        time = np.arange(round(WORD_SECONDS * rate)) / rate
        pieces += [np.sin(2 * np.pi * pitch * time) * 0.3, gap]
    return _pcm(np.concatenate(pieces[:-1] or pieces))


def silence(seconds: float, rate: int = 16_000) -> bytes:
    """A quiet room, 16-bit PCM."""
    return _pcm(np.zeros(round(seconds * rate)))


def _pcm(samples: NDArray[np.float64]) -> bytes:
    noise = np.random.default_rng(0).standard_normal(len(samples)) * _NOISE
    return ((samples + noise) * 32767).astype("<i2").tobytes()


class ScriptedRecognizer:
    """Understands what `say` says. Hold it, and it stays in its next batch until it is released.

    Attributes:
        batches: what it was given, in order.
        measured: streams that it says it carries.
        fail_on: a batch with this word in it fails.
        lost: the next batch, and all after it.
        asks: whether it asks, while it is held, if its batch is still wanted, and leaves it if not.
    """

    def __init__(
        self,
        window_seconds: float = 30.0,
        batch: int = 8,
        languages: tuple[str, ...] = ("en",),
        hint_phrases: bool = True,
    ) -> None:
        self.capabilities = Capabilities(
            model="scripted",
            sample_rate=16_000,
            languages=languages,
            hint_phrases=hint_phrases,
            word_times=True,
            confidence=True,
            window_seconds=window_seconds,
            batch=batch,
        )
        self.batches: list[list[Utterance]] = []
        self.fail_on: str | None = None
        self.lost = False
        self.asks = False
        self.warm = False
        self.measured: int | None = None
        self._open = threading.Event()
        self._open.set()
        self._entered = threading.Semaphore(0)
        self._passes = threading.Semaphore(0)

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def let_one_pass(self) -> None:
        """The batch that is held, or the next one; only where it asks."""
        self._passes.release()

    async def entered(self) -> None:
        """Wait until the engine was given one more batch."""
        assert await asyncio.to_thread(self._entered.acquire, timeout=10)

    def warm_up(self) -> int | None:
        self.warm = True
        return self.measured

    def transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        self.batches.append(list(utterances))
        self._entered.release()
        if not self._goes_on(utterances):
            return [Transcript("left", (), "en", 0.0) for _ in utterances]
        if self.lost:
            raise EngineLost("an illegal memory access was encountered")
        transcripts = [self._hear(utterance) for utterance in utterances]
        if any(self.fail_on in each.text.split() for each in transcripts):
            raise EngineError("scripted failure")
        return transcripts

    def _goes_on(self, utterances: Sequence[Utterance]) -> bool:
        if not self.asks:
            assert self._open.wait(10)
            return True
        while not self._open.wait(0.005):
            if self._passes.acquire(blocking=False):
                break
            if not any(utterance.wanted() for utterance in utterances):
                return False
        return True

    def _hear(self, utterance: Utterance) -> Transcript:
        rate = self.capabilities.sample_rate
        frame = rate // 100
        whole = utterance.samples[: len(utterance.samples) // frame * frame]
        loud = np.sqrt(np.mean(whole.reshape(-1, frame) ** 2, axis=1)) > 0.05
        edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
        words = []
        for start, end in edges.reshape(-1, 2):
            if end - start < 5:
                continue
            spectrum = np.abs(np.fft.rfft(whole[start * frame : end * frame], rate))
            number = round((int(np.argmax(spectrum)) - _PITCH) / _STEP)
            words.append(Word(WORDS[number], start / 100, end / 100, 0.9))
        text = " ".join(word.text for word in words)
        language = "en" if utterance.language == AUTO else utterance.language
        return Transcript(text, tuple(words), language, 0.9 if words else 0.0)
