"""Piper voices: espeak's phonemes, a VITS model on ONNX Runtime, heard window by window.

piper-tts is GPL-3.0. Only this process imports it.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from piper.const import BOS, EOS, PAD
from piper.phonemize_espeak import EspeakPhonemizer

from services.runtime.errors import FailedPrecondition
from services.runtime.models import catalogue
from services.tts.engines import (
    Capabilities,
    Engine,
    EngineOptions,
    Line,
    Piece,
    Voice,
)
from services.tts.engines.espeak import make_digestible
from services.tts.engines.timing import place_words
from services.tts.engines.vits import SplitVits
from services.tts.engines.weights import piper as weights_of

_NOT_SAID = frozenset("ˈˌ.,;:!?\"'()-")
"""What stands among the phonemes and is heard as stress or pause at most."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One run of the front end.

    Attributes:
        ids: phoneme ids.
        groups: phonemes between spaces, without stress and punctuation.
        spans: for each group the first of its ids and one past the last.
    """

    ids: list[int]
    groups: list[str]
    spans: list[tuple[int, int]]


class PiperEngine:
    """A Piper voice; several, where the model has several speakers."""

    def __init__(self, model: Path, name: str, options: EngineOptions) -> None:
        """Load a voice from its ``.onnx``, whose ``.onnx.json`` lies beside it.

        Raises:
            FailedPrecondition: one of them is missing or is not a Piper voice.
        """
        self._config = _read_config(model)
        self._voice: str = self._config["espeak"]["voice"]
        self._map: Mapping[str, list[int]] = self._config["phoneme_id_map"]
        inference = self._config.get("inference", {})
        self._noise = float(inference.get("noise_scale", 0.667))
        self._length = float(inference.get("length_scale", 1.0))
        self._noise_w = float(inference.get("noise_w", 0.8))
        self._speakers: dict[str, int] = dict(self._config.get("speaker_id_map") or {})
        self.capabilities = Capabilities(
            model=name,
            sample_rate=int(self._config["audio"]["sample_rate"]),
            voices=self._voices(model, options.voice_name),
            word_marks=True,
        )
        self._phonemizer = EspeakPhonemizer()
        self._alone = lru_cache(maxsize=4096)(self._phonemize_alone)
        self._vits = SplitVits(model, options.threads)

    def speak(self, line: Line) -> Generator[Piece, None, None]:
        """Say a line, one run of the front end a sentence."""
        sentences = [
            self._sentence(phonemes) for phonemes in self._phonemize(line.text)
        ]
        sentences = [sentence for sentence in sentences if sentence.groups]
        groups = [group for sentence in sentences for group in sentence.groups]
        places = place_words(
            [self._alone(line.text[start:end]) for start, end in line.words], groups
        )
        scales = (self._noise, self._length / line.delivery.speed, self._noise_w)
        speaker = self._speakers.get(line.delivery.voice, 0)
        rate = self.capabilities.sample_rate
        spoken, told, group_times = 0, 0, [(0.0, 0.0)]
        for sentence in sentences:
            frames = self._vits.frames(sentence.ids, scales, speaker)
            ends = [0, *frames.durations.cumsum().tolist()]
            group_times += [
                (
                    (spoken + ends[first] * self._vits.hop) / rate,
                    (spoken + ends[past] * self._vits.hop) / rate,
                )
                for first, past in sentence.spans
            ]
            word_ends = []
            while told < len(places) and places[told][0] + 1 < len(group_times):
                group, part = places[told]
                start, end = group_times[group + 1]
                word_ends.append(start + part * (end - start))
                told += 1
            for samples in self._vits.decode(frames):
                yield Piece(samples, tuple(word_ends))
                spoken += len(samples)
                word_ends = []

    def close(self) -> None:
        """Nothing to free but memory."""

    def _sentence(self, phonemes: Sequence[str]) -> _Sentence:
        ids = [*self._map[BOS], *self._map[PAD]]
        groups: list[str] = []
        spans: list[tuple[int, int]] = []
        inside = False
        for phoneme in phonemes:
            if phoneme == " ":
                inside = False
            if phoneme not in self._map:
                continue
            first = len(ids)
            ids += [*self._map[phoneme], *self._map[PAD]]
            if phoneme in _NOT_SAID or phoneme == " ":
                continue
            if inside:
                groups[-1] += phoneme
                spans[-1] = (spans[-1][0], len(ids))
            else:
                groups.append(phoneme)
                spans.append((first, len(ids)))
                inside = True
        ids += self._map[EOS]
        return _Sentence(ids, groups, spans)

    def _phonemize(self, text: str) -> list[list[str]]:
        sentences: list[list[str]] = self._phonemizer.phonemize(
            self._voice, make_digestible(text)
        )
        return sentences

    def _phonemize_alone(self, word: str) -> str:
        sentences = self._phonemize(word)
        return "".join(
            phoneme
            for phonemes in sentences
            for phoneme in phonemes
            if phoneme != " " and phoneme not in _NOT_SAID and phoneme in self._map
        )

    def _voices(self, model: Path, wanted: str) -> tuple[Voice, ...]:
        code: str = self._config.get("language", {}).get("code") or self._voice
        primary, _, region = code.replace("_", "-").partition("-")
        own = f"{primary.lower()}-{region.upper()}" if region else primary.lower()
        languages = tuple(dict.fromkeys((own, primary.lower())))
        dataset = self._config.get("dataset") or model.stem
        if not self._speakers:
            return (Voice(wanted or dataset, languages, f"Piper {dataset}, {own}"),)
        if wanted and wanted not in self._speakers:
            raise FailedPrecondition(
                f"{model.name} has no speaker {wanted!r}; it has: {', '.join(self._speakers)}"
            )
        names = sorted(self._speakers, key=lambda name: name != wanted)
        return tuple(
            Voice(name, languages, f"Piper {dataset}, speaker {name}, {own}")
            for name in names
        )


def load(options: EngineOptions) -> Engine:
    """The voice that the options name: an entry of the catalogue, a file, or ``repository[@revision]:file`` on the Hub.

    Raises:
        FailedPrecondition: it is not there, or is not a Piper voice.
    """
    model = options.model
    path = weights_of(model)
    return PiperEngine(path, model if model in catalogue() else path.stem, options)


def _read_config(model: Path) -> dict[str, Any]:
    path = model.with_name(f"{model.name}.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind = config.get("phoneme_type", "espeak")
        (
            config["espeak"]["voice"],
            config["phoneme_id_map"][PAD],
            config["audio"]["sample_rate"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FailedPrecondition(
            f"{path} is missing or does not describe a Piper voice: {error!r}"
        ) from error
    if kind != "espeak":
        raise FailedPrecondition(
            f"{model} takes {kind!r} phonemes; only voices on espeak's are supported"
        )
    return dict(config)
