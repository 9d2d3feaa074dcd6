"""From a line to what the talker is given before the first frame: embeddings, made by upstream's own prompt builder."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
import torch

from services.runtime.errors import EngineError
from services.tts.engines import Delivery, Line, Reference
from services.tts.engines.qwen3.voices import Offer

_DESCRIPTION = "A clear, warm, natural voice at an even pace."
"""Whom a checkpoint that makes up voices makes up when nobody says whom."""
_KEPT_REFERENCES = 64
"""A prompt of 30 seconds of reference is 375 frames of 16 codes and one vector: about 50 KiB."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the talker is given.

    Attributes:
        embeddings: ``[positions, hidden]``, of the talker's dtype.
        text: ``[frames, hidden]``: what is added to the input of each frame to come: the text that is fed in while it
            is spoken, or what stands for none.
        padding: ``[hidden]``: what is added to the input of all frames after those.
        tokens: of the line's text.
        reference: ``int64 [frames, 16]``: codes of what is said before the first frame; None without any.
    """

    embeddings: Any
    text: Any
    padding: Any
    tokens: int
    reference: Any | None


class _Captured(Exception):
    """The prompt is ready: what would be generated from it is not wanted."""


class PromptBuilder:
    """Builds prompts; on the worker thread alone, since it takes upstream's ``generate`` apart while it runs."""

    def __init__(self, wrapper: Any, offer: Offer) -> None:
        """Make a builder.

        Args:
            wrapper: a loaded ``Qwen3TTSModel``.
            offer: what the checkpoint can do.
        """
        self._wrapper = wrapper
        self._offer = offer
        self._references: OrderedDict[bytes, Any] = OrderedDict()

    def build(self, line: Line) -> Prompt:
        """The prompt of a line. Its text is put in as upstream does by default for the kind of checkpoint.

        Raises:
            EngineError: a reference is needed, and there is none.
        """
        with torch.inference_mode():
            wrapper, delivery = self._wrapper, line.delivery
            said = wrapper._tokenize_texts([wrapper._build_assistant_text(line.text)])
            # Three tokens before the text and five after it make it an assistant's turn.
            tokens = said[0].shape[1] - 8
            common: dict[str, Any] = {
                "input_ids": said,
                "languages": [self._offer.languages[delivery.language]],
            }
            if self._offer.kind == "base":
                clone = self._clone(delivery.reference)
                asked = self._ask_to_clone(clone)
                got = self._capture(**common, **asked, non_streaming_mode=False)
                reference = clone.ref_code
            else:
                asked = self._ask_to_speak(delivery)
                got = self._capture(**common, **asked, non_streaming_mode=True)
                reference = None
            return Prompt(
                embeddings=got["inputs_embeds"][0],
                text=got["trailing_text_hidden"][0],
                padding=got["tts_pad_embed"].reshape(-1),
                tokens=tokens,
                reference=reference,
            )

    def _ask_to_speak(self, delivery: Delivery) -> dict[str, Any]:
        design = self._offer.kind == "voice_design"
        words = delivery.instructions if self._offer.instructions else ""
        if design:
            words = words or _DESCRIPTION
        instructions = None
        if words:
            turn = self._wrapper._build_instruct_text(words)
            instructions = self._wrapper._tokenize_texts([turn])[0]
        speaker = None if design else delivery.voice
        return {"instruct_ids": [instructions], "speakers": [speaker]}

    def _ask_to_clone(self, clone: Any) -> dict[str, Any]:
        wrapper = self._wrapper
        transcript = None
        if clone.ref_text:
            turn = wrapper._build_ref_text(clone.ref_text)
            transcript = wrapper._tokenize_texts([turn])[0]
        return {
            "voice_clone_prompt": wrapper._prompt_items_to_voice_clone_prompt([clone]),
            "ref_ids": [transcript],
        }

    def _clone(self, reference: Reference | None) -> Any:
        """What the model hears of a reference; without a transcript only how the speaker sounds, not how they talk."""
        if reference is None:
            raise EngineError("this model speaks in the voice of a reference only")
        samples = np.ascontiguousarray(reference.samples, np.float32)
        about = f"{reference.sample_rate}\n{reference.transcript}\n".encode()
        key = hashlib.sha256(about + samples.tobytes()).digest()
        if key not in self._references:
            rate = self._wrapper.model.speaker_encoder_sample_rate
            # Otherwise upstream resamples twice, with a library that takes seconds to import.
            heard = soxr.resample(samples, reference.sample_rate, rate)
            self._references[key] = self._wrapper.create_voice_clone_prompt(
                ref_audio=(heard, rate),
                ref_text=reference.transcript or None,
                x_vector_only_mode=not reference.transcript,
            )[0]
            if len(self._references) > _KEPT_REFERENCES:
                self._references.popitem(last=False)
        self._references.move_to_end(key)
        return self._references[key]

    def _capture(self, **asked: Any) -> dict[str, Any]:
        got: dict[str, Any] = {}

        def take(**given: Any) -> None:
            got.update(given)
            raise _Captured

        model = self._wrapper.model
        model.talker.generate = take  # hides the method of the class
        try:
            model.generate(**asked)
        except _Captured:
            return got
        finally:
            del model.talker.generate
        raise EngineError("upstream built no prompt")
