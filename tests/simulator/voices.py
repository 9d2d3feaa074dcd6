"""Speech for scripts: Piper in three guises and recordings, with the time of each word; kept on disk between runs."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.runtime.models import locate, models_folder
from services.runtime.resample import Resampler
from services.tts.engines import Delivery, Engine, EngineOptions, Line, load_engine
from tests.microphone import QUESTIONS, SPEECH, recording
from tests.simulator.script import Noise, Pause, Say, Spoken
from tests.simulator.sounds import RATE, Samples, at_level, noise

LEVEL = -24.0
"""dBFS of speech."""

BREATH = 0.25
"""Seconds between two sentences of one utterance."""

GUISES = {"joe": (1.0, 1.0), "brisk": (1.15, 1.12), "deep": (0.92, 0.88)}
"""Speed and pitch, relative to the voice's own."""

RECORDED = "recorded"
"""The voice of a recording, chosen by what is said; where there is none, joe says it."""

HUMAN = {
    "And so, my fellow Americans": (0.0, 2.4),
    "ask not": (3.2, 4.6),
    "what your country can do for you": (5.2, 7.9),
    "ask what you can do for your country.": (8.0, 10.35),
}
"""A human's phrases, in seconds of the recording, cut at his own pauses."""

_VERSION = 2
"""Rises with whatever changes what is kept."""
_SILENT = 0.03
"""Of the loudest 10 ms; what is quieter is no sound of a word."""
_STEP = RATE // 100
_SEARCH = 0.06
"""Seconds about the end of a word in which the quietest place is looked for."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and where it is heard, in seconds.

    Attributes:
        text: with its punctuation.
        start: of its first sound.
        end: of its last.
    """

    text: str
    start: float
    end: float

    def moved(self, seconds: float) -> "SpokenWord":
        """The same, later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class Clip:
    """Something to be heard.

    Attributes:
        samples: ``float32 [n]`` at `RATE`.
        words: in order.
        begins: seconds to its first sound.
        ends: seconds to its last; of speech, where there is speech.
    """

    samples: Samples
    words: tuple[SpokenWord, ...]
    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


def render(utterance: Sequence[Spoken], voice: str) -> Clip:
    """An utterance as it is heard, its pauses included."""
    pieces = iter(_speak(utterance, voice))
    parts: list[Samples] = []
    words: list[SpokenWord] = []
    noises: list[tuple[int, Samples]] = []
    position, begins, ends = 0, None, 0.0
    sentence_over = False
    for part in utterance:
        match part:
            case Say():
                samples, spoken = next(pieces)
                if sentence_over:
                    parts.append(np.zeros(round(BREATH * RATE), np.float32))
                    position += len(parts[-1])
                words += [word.moved(position / RATE) for word in spoken]
                begins = position / RATE if begins is None else begins
                parts.append(samples)
                position += len(samples)
                ends = position / RATE
                sentence_over = _ends_sentence(part.text)
            case Pause():
                parts.append(np.zeros(round(part.seconds * RATE), np.float32))
                position += len(parts[-1])
                sentence_over = False
            case Noise():
                noises.append((position, noise(part.sound, part.seconds, part.level)))
    length = max([position, *(start + len(sound) for start, sound in noises)])
    made = np.zeros(length, np.float32)
    made[:position] = np.concatenate(parts) if parts else made[:0]
    for start, sound in noises:
        made[start : start + len(sound)] += sound
    return Clip(made, tuple(words), begins or 0.0, ends or length / RATE)


def _speak(
    utterance: Sequence[Spoken], voice: str
) -> list[tuple[Samples, list[SpokenWord]]]:
    """Each `Say`: its sound without silence around it, and its words."""
    texts = [part.text for part in utterance if isinstance(part, Say)]
    if texts and texts[0] in HUMAN:
        return [_trimmed(sentence(text, voice)) for text in texts]
    made: list[tuple[Samples, list[SpokenWord]]] = []
    while texts:
        count = next(
            (i for i, text in enumerate(texts, 1) if _ends_sentence(text)), len(texts)
        )
        made += _cut(sentence(" ".join(texts[:count]), voice), texts[:count])
        texts = texts[count:]
    return made


def _ends_sentence(text: str) -> bool:
    return text.endswith((".", "?", "!"))


def _cut(whole: Clip, texts: Sequence[str]) -> list[tuple[Samples, list[SpokenWord]]]:
    """One sentence, cut behind the last word of each text, where it is quietest."""
    made = []
    first, start = 0, 0
    for text in texts:
        past = first + len(text.split())
        words = whole.words[first:past]
        last = past == len(whole.words)
        end = len(whole.samples) if last else _quietest(whole.samples, words[-1].end)
        piece = Clip(
            whole.samples[start:end],
            tuple(word.moved(-start / RATE) for word in words),
            0.0,
            0.0,
        )
        made.append(_trimmed(piece))
        first, start = past, end
    return made


def _quietest(samples: Samples, near: float) -> int:
    first = max(0, round((near - _SEARCH) * RATE))
    loudness = _loudness(samples[first : round((near + _SEARCH) * RATE)])
    return first + int(loudness.argmin()) * _STEP + _STEP // 2


def _loudness(samples: Samples) -> Samples:
    frames = samples[: len(samples) // _STEP * _STEP].reshape(-1, _STEP)
    loudness: Samples = np.sqrt((frames**2).mean(axis=1))
    return loudness


def _trimmed(clip: Clip) -> tuple[Samples, list[SpokenWord]]:
    """The same from its first sound to its last, without clicks at either end."""
    loudness = _loudness(clip.samples)
    loud = np.nonzero(loudness > _SILENT * loudness.max())[0]
    start, end = int(loud[0]) * _STEP, (int(loud[-1]) + 1) * _STEP
    samples = clip.samples[start:end].copy()
    fade = np.linspace(0, 1, _STEP // 2, dtype=np.float32)
    samples[: len(fade)] *= fade
    samples[-len(fade) :] *= fade[::-1]
    length = len(samples) / RATE
    words = [
        SpokenWord(
            word.text,
            min(max(word.start - start / RATE, 0.0), length),
            min(max(word.end - start / RATE, 0.0), length),
        )
        for word in clip.words
    ]
    return samples, words


def sentence(text: str, voice: str) -> Clip:
    """A sentence in one breath."""
    if voice == RECORDED:
        if (found := _recorded(text)) is not None:
            return found
        voice = "joe"
    key = json.dumps([_VERSION, text, voice, GUISES[voice]])
    path = _folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
    if not path.exists():
        _keep(path, *_synthesise(text, *GUISES[voice]))
    with np.load(path) as kept:
        samples, ends = _floats(kept["samples"]), kept["ends"]
    return _clip(samples, text.split(), [float(end) for end in ends])


def _clip(samples: Samples, texts: list[str], ends: list[float]) -> Clip:
    starts = [0.0, *ends[:-1]]
    words = tuple(map(SpokenWord, texts, starts, ends))
    return Clip(at_level(samples, LEVEL), words, 0.0, len(samples) / RATE)


def _recorded(text: str) -> Clip | None:
    """A recording; where its words are is told by how long they are to read."""
    if text in HUMAN:
        found = recording(SPEECH, *HUMAN[text])
    else:
        wanted = "-".join(re.sub(r"[^\w\s]", "", text.lower()).split())
        path = next((path for path in QUESTIONS if path.stem[3:] == wanted), None)
        if path is None:
            return None
        found = recording(path)
    samples, _ = _trimmed(
        Clip(_floats(np.frombuffer(found.samples, "<i2")), (), 0.0, 0.0)
    )
    texts = text.split()
    shares = np.cumsum([len(word) + 1 for word in texts], dtype=np.float64)
    ends = shares / shares[-1] * len(samples) / RATE
    return _clip(samples, texts, [float(end) for end in ends])


def _synthesise(text: str, speed: float, pitch: float) -> tuple[Samples, list[float]]:
    engine = _engine()
    words = tuple(match.span() for match in re.finditer(r"\S+", text))
    # What is played faster is higher; it is spoken slower by as much.
    delivery = Delivery(engine.capabilities.voices[0].name, "en-US", speed / pitch)
    pieces = list(engine.speak(Line(text, words, delivery)))
    samples = np.concatenate([piece.samples for piece in pieces])
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    resampler = Resampler(round(engine.capabilities.sample_rate * pitch), RATE)
    pcm = np.concatenate((resampler.push(pcm), resampler.flush()))
    ends = [end / pitch for piece in pieces for end in piece.word_ends]
    if len(ends) != len(words):
        raise RuntimeError(f"{len(words)} words in {text!r}, {len(ends)} were placed")
    return _floats(pcm), ends


def _floats(pcm: npt.NDArray[np.int16]) -> Samples:
    return pcm.astype(np.float32) / np.float32(32768)


@cache
def _engine() -> Engine:
    """The default voice, with its dice taken away: it says the same thing the same way every time."""
    source = locate("piper-joe-medium")
    folder = _folder() / "voice"
    folder.mkdir(exist_ok=True)
    config = json.loads((source / "voice.onnx.json").read_text())
    config["inference"] |= {"noise_scale": 0.0, "noise_w": 0.0}
    (folder / "voice.onnx.json").write_text(json.dumps(config))
    model = folder / "voice.onnx"
    if not model.exists():
        model.symlink_to(source / "voice.onnx")
    return load_engine("piper", EngineOptions(str(model), "joe", threads=1))


def _keep(path: Path, samples: Samples, ends: list[float]) -> None:
    beside = path.with_suffix(f".{os.getpid()}.npz")
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    np.savez(beside, samples=pcm, ends=np.array(ends))
    beside.replace(path)


def _folder() -> Path:
    folder = models_folder().parent / "simulator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
