"""Whisper on CTranslate2, with the encoder run on no more than the speech there is.

Whisper always hears 30 seconds: it was trained on audio padded with silence to that length, and its encoder costs the
same for one second as for thirty. Here the encoder gets the speech and 0.4 s of silence or more, and the rest of its 1,500
positions is filled with silence that was encoded once at the start: the decoder sees the end that it knows, at a
fraction of the time. Shorter tails make it loop ("No. No. No."); what loops nevertheless is decoded again the long way.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from tokenizers import Tokenizer as Tokens

from services.runtime.errors import EngineError, FailedPrecondition
from services.stt.audio import audible, levels, silence_below
from services.stt.engines import (
    AUTO,
    Capabilities,
    EngineOptions,
    Transcript,
    Utterance,
)
from services.stt.engines.weights import DEFAULT_MODELS, publishers_name
from services.stt.engines.weights import whisper as weights_of
from services.stt.engines.whisper_text import collapse_loop, is_suspicious, trim
from services.stt.engines.whisper_vocabulary import Vocabulary, to_bcp47
from services.stt.engines.words import TimedPiece, to_words
from services.stt.transcripts import SPACELESS

DEFAULT_DEVICE = "cpu"
"""On a GPU, CTranslate2 needs CUDA's libraries in versions that a machine with a GPU does not always have."""

RATE = 16_000
_POSITION = 320
"""Samples of one position of the encoder's output: 20 ms."""
_POSITIONS = 1500
_HOP = 160
_LONGEST = RATE * 30
_MOST_TOKENS = 220
"""Whisper's 448 tokens hold the hints before a transcript and as many for the transcript itself."""

_TAIL_SECONDS = 0.4
_LEAST_SECONDS = 2.5
"""Encoded at least, so that short answers get a longer tail: with it "No." and "What?" are heard once, not twice, and
are told from noise (probability of no speech 0.2 against 0.3 to 0.6 without it), for 6 ms."""
_MARGIN_SECONDS = 0.5
"""Kept free of a call's 30 seconds, for the tail."""

_SILENT_ABOVE, _SURELY_SILENT_ABOVE, _DOUBTFUL_BELOW = 0.6, 0.8, -1.0
"""Whisper's own rule: no speech where its probability of none is above 0.6 and the mean log probability of the text
below -1. Hums and clicks get a "you" at -0.9, always with a probability of none above 0.8; speech stays below 0.75
(measured on tiny.en: tones, hum, clicks, white and pink noise of 0.3 to 10 s against single words and sentences)."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """What the decoder made of one utterance.

    Attributes:
        tokens: of the text.
        text: of the tokens.
        score: mean log probability of a token.
        no_speech: probability that there was no speech.
        cut: whether the decoder was stopped before it was done.
    """

    tokens: list[int]
    text: str
    score: float
    no_speech: float
    cut: bool

    @property
    def silent(self) -> bool:
        doubtful = self.no_speech > _SILENT_ABOVE and self.score < _DOUBTFUL_BELOW
        wordless = not any(character.isalnum() for character in self.text)
        return doubtful or wordless or self.no_speech > _SURELY_SILENT_ABOVE


@dataclass(frozen=True, slots=True)
class _Heard:
    """An utterance behind the encoder.

    Attributes:
        index: of the utterance in its batch.
        utterance: itself.
        positions: the encoder's output, ``[1, 1500, width]``.
        tokenizer: of its language.
        prompt: what the decoder starts from.
    """

    index: int
    utterance: Utterance
    positions: Array
    tokenizer: Tokenizer
    prompt: list[int]


class Whisper:
    """A Whisper model of any size, English-only or multilingual.

    Args:
        options: ``model`` may be in the catalogue, a folder of a CTranslate2 conversion, or the id of one on the Hub.

    Raises:
        FailedPrecondition: the model cannot be had, or is not one of this kind.
    """

    def __init__(self, options: EngineOptions) -> None:
        name = options.model or DEFAULT_MODELS["whisper"]
        folder = weights_of(name)
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder),
                device=options.device or DEFAULT_DEVICE,
                compute_type=_compute_type(options),
                intra_threads=options.threads,
                inter_threads=1,
            )
            tokens = Tokens.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises no narrower one
            raise FailedPrecondition(
                f"no Whisper model for CTranslate2 could be loaded from {folder}: {error}"
            ) from error
        self._multilingual: bool = self._model.is_multilingual
        self._vocabulary = Vocabulary(tokens, self._multilingual)
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        self._silence = self._encode(np.zeros(_LONGEST, np.float32))
        self._name = publishers_name(name)

    @cached_property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        on_cpu = self._model.device == "cpu"
        return Capabilities(
            model=self._name,
            sample_rate=RATE,
            languages=tuple(self._vocabulary.languages)
            if not self._multilingual
            else (AUTO, *self._vocabulary.languages),
            hint_phrases=True,
            word_times=True,
            confidence=True,
            window_seconds=30.0 - _MARGIN_SECONDS,
            # One CPU thread takes as long for a batch as for its members (2: 61 ms against 2 x 29, 8: 420 ms), and
            # the first member would wait for the last.
            batch=1 if on_cpu else 16,
        )

    def warm_up(self) -> int | None:
        """Run encoder, decoder and aligner once.

        Raises:
            EngineError: the model failed.
        """
        noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
        language = next(iter(self._vocabulary.languages))
        try:
            heard = self._hear(0, Utterance(noise, language))
            self._decode([heard])
            self._align(heard, heard.tokenizer.encode(" Hello."))
            return None
        except RuntimeError as error:
            raise EngineError(f"Whisper does not run here: {error}") from error

    def transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        """Transcribe a batch; one result an utterance, in order.

        Raises:
            EngineError: the model failed, or an utterance is longer than 30 s.
        """
        try:
            return self._transcribe(utterances)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"Whisper failed: {error}") from error

    def _transcribe(self, utterances: Sequence[Utterance]) -> list[Transcript]:
        results = [Transcript("", (), each.language, 0.0) for each in utterances]
        # CTranslate2 wants prompts of one length in a batch.
        groups: defaultdict[int, list[_Heard]] = defaultdict(list)
        for index, utterance in enumerate(utterances):
            if audible(utterance.samples, RATE) and utterance.wanted():
                heard = self._hear(index, utterance)
                groups[len(heard.prompt)].append(heard)
        for group in groups.values():
            wanted = [heard for heard in group if heard.utterance.wanted()]
            for heard, hypothesis in zip(wanted, self._decode(wanted), strict=True):
                results[heard.index] = self._finish(heard, hypothesis)
        return results

    def _hear(self, index: int, utterance: Utterance) -> _Heard:
        positions = self._encode(utterance.samples)
        positions = np.concatenate(
            [positions, self._silence[:, positions.shape[1] :]], axis=1
        )
        tokenizer = self._vocabulary.tokenizer(self._language(utterance, positions))
        prompt = self._vocabulary.prompt(tokenizer, utterance.hint_phrases)
        return _Heard(index, utterance, positions, tokenizer, prompt)

    def _finish(self, heard: _Heard, hypothesis: _Hypothesis) -> Transcript:
        utterance, tokenizer = heard.utterance, heard.tokenizer
        samples = utterance.samples
        if hypothesis.cut or is_suspicious(hypothesis.text):
            whole = np.zeros(_LONGEST, np.float32)
            whole[: len(samples)] = samples
            heard = replace(heard, positions=self._encode(whole))
            hypothesis = self._decode([heard])[0]
            if hypothesis.cut:
                text = collapse_loop(hypothesis.text)
                tokens = tokenizer.encode(f" {text}")
                hypothesis = replace(hypothesis, text=text, tokens=tokens)
        language = to_bcp47(tokenizer.language_code)
        if hypothesis.silent or not utterance.wanted():
            return Transcript("", (), language, 0.0)
        pieces = self._align(heard, hypothesis.tokens)
        spaced = tokenizer.language_code not in SPACELESS
        words = to_words(pieces, len(samples) / RATE, spaced)
        loudness = levels(samples, _POSITION)
        words = trim(words, loudness >= silence_below(loudness), _POSITION / RATE)
        return Transcript(
            (" " if spaced else "").join(word.text for word in words),
            words,
            language,
            float(np.exp(hypothesis.score)),
        )

    def _encode(self, samples: NDArray[np.float32]) -> Array:
        """Encode ``float32 [samples]``, with the tail if it fits.

        Returns:
            ``[1, positions, width]``.
        """
        if len(samples) > _LONGEST:
            raise ValueError(f"{len(samples) / RATE:.1f} s; 30 s are the most")
        wanted = max(
            len(samples) + int(_TAIL_SECONDS * RATE), int(_LEAST_SECONDS * RATE)
        )
        length = min(_LONGEST, -(-wanted // _POSITION) * _POSITION)
        padded = np.zeros(length, np.float32)
        padded[: len(samples)] = samples
        mel = self._features(padded, padding=0)[None, :, : length // _HOP]
        encoded = self._model.encode(_view(mel.astype(np.float32)), to_cpu=True)
        return np.array(encoded)

    def _decode(self, batch: Sequence[_Heard]) -> list[_Hypothesis]:
        """Decode greedily what has prompts of one length."""
        if not batch:
            return []
        prompts = [heard.prompt for heard in batch]
        samples = max(len(heard.utterance.samples) for heard in batch)
        # Fast English is below 8 tokens a second; scripts that the vocabulary knows badly need up to 25.
        rate = 25 if self._multilingual else 8
        most = min(_MOST_TOKENS, 12 + rate * samples // RATE)
        results = self._model.generate(
            _view(np.concatenate([heard.positions for heard in batch])),
            prompts,
            beam_size=1,
            # CTranslate2 stops at half of this, or at this less the prompt.
            max_length=max(2 * most, most + len(prompts[0])),
            return_scores=True,
            return_no_speech_prob=True,
        )
        hypotheses = []
        for result in results:
            tokens = [
                token
                for token in result.sequences_ids[0]
                if token < self._vocabulary.end
            ]
            hypotheses.append(
                _Hypothesis(
                    tokens,
                    self._vocabulary.decode(tokens),
                    result.scores[0],
                    result.no_speech_prob,
                    cut=len(result.sequences_ids[0]) >= most,
                )
            )
        return hypotheses

    def _align(self, heard: _Heard, tokens: list[int]) -> list[TimedPiece]:
        """When each piece of the text was spoken, by the decoder's attention to the same encoder output."""
        tokenizer, samples = heard.tokenizer, heard.utterance.samples
        frames = 2 * min(_POSITIONS, -(-len(samples) // _POSITION))
        alignment = self._model.align(
            _view(heard.positions), tokenizer.sot_sequence, [tokens], frames
        )[0]
        of_token = np.array([pair[0] for pair in alignment.alignments])
        positions = np.array([pair[1] for pair in alignment.alignments])
        first = np.searchsorted(of_token, np.arange(len(tokens) + 1))
        times = positions[np.minimum(first, len(positions) - 1)] * _POSITION / RATE
        chances = alignment.text_token_probs
        pieces, done = [], 0
        texts, spelled = tokenizer.split_tokens_on_unicode(tokens)
        for text, its_tokens in zip(texts, spelled, strict=True):
            end = done + len(its_tokens)
            chance = float(np.mean(chances[done:end]))
            pieces.append(
                TimedPiece(text, float(times[done]), float(times[end]), chance)
            )
            done = end
        return pieces

    def _language(self, utterance: Utterance, heard: Array) -> str:
        """Whisper's name of the utterance's language."""
        if not self._multilingual:
            return "en"
        if utterance.language != AUTO:
            return self._vocabulary.languages[utterance.language]
        token: str = self._model.detect_language(_view(heard))[0][0][0]
        return token.strip("<|>")


def _view(array: Array) -> Any:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


def _compute_type(options: EngineOptions) -> str:
    if options.precision != "auto":
        return options.precision
    return "int8" if (options.device or DEFAULT_DEVICE) == "cpu" else "auto"


def load(options: EngineOptions) -> Whisper:
    """Load a Whisper model.

    Raises:
        FailedPrecondition: it cannot be had.
    """
    return Whisper(options)
