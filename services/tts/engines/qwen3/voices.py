"""What a checkpoint offers: voices, their languages as BCP 47 tags, and whether it can be told how to speak."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from services.runtime.errors import FailedPrecondition
from services.tts.engines import Voice

Kind = Literal["custom_voice", "voice_design", "base"]

ANY_LANGUAGE = "und"
"""BCP 47 for "undetermined": the model finds out from the text what to speak."""
_TAGS = {
    "english": "en",
    "chinese": "zh",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "russian": "ru",
    "japanese": "ja",
    "korean": "ko",
    "auto": ANY_LANGUAGE,
}
"""The model's own names of languages, in the order in which a voice without a language of its own has them."""
_NATIVE = {
    "aiden": "en",
    "dylan": "zh",
    "eric": "zh",
    "ono_anna": "ja",
    "ryan": "en",
    "serena": "zh",
    "sohee": "ko",
    "uncle_fu": "zh",
    "vivian": "zh",
}
"""What each speaker grew up with, by the model's card; a checkpoint tells their names and dialects only."""
_DEFAULT_SPEAKER = "ryan"


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be asked of a checkpoint.

    Attributes:
        kind: which of the three kinds of checkpoint it is.
        voices: the default first.
        languages: the model's name of each BCP 47 tag.
        instructions: whether it heeds instructions.
    """

    kind: Kind
    voices: tuple[Voice, ...]
    languages: dict[str, str]
    instructions: bool


def read_offer(model: Any, default: str) -> Offer:
    """Ask a loaded ``Qwen3TTSForConditionalGeneration``.

    Args:
        model: whom to ask.
        default: of several speakers the one to speak unless told otherwise; empty: an English one. Of the kinds that
            have a single voice, what to call it; empty: "designed" or "cloned".

    Raises:
        FailedPrecondition: there is no such speaker, or the checkpoint is of a kind that is not known.
    """
    kind = model.tts_model_type
    spoken = set(model.get_supported_languages())
    languages = {tag: name for name, tag in _TAGS.items() if name in spoken}
    if kind == "custom_voice":
        voices = _speakers(model, tuple(languages), default.lower())
    elif kind == "voice_design":
        about = "a voice made up from the instructions, for each clause anew"
        voices = (Voice(default or "designed", tuple(languages), about),)
    elif kind == "base":
        about = "the voice of the reference"
        voices = (Voice(default or "cloned", tuple(languages), about),)
    else:
        raise FailedPrecondition(f"the checkpoint is of an unknown kind: {kind!r}")
    # Upstream throws away what the small custom-voice checkpoint is told: it was not trained to heed it.
    heeds = kind == "voice_design" or (
        kind == "custom_voice" and model.tts_model_size != "0b6"
    )
    return Offer(cast(Kind, kind), voices, languages, heeds)


def _speakers(model: Any, tags: tuple[str, ...], default: str) -> tuple[Voice, ...]:
    names = sorted(model.get_supported_speakers())
    if default and default not in names:
        raise FailedPrecondition(
            f"there is no speaker {default!r}; there are: {', '.join(names)}"
        )
    first = default or _DEFAULT_SPEAKER
    dialects = model.config.talker_config.spk_is_dialect
    voices = []
    for name in sorted(names, key=lambda name: name != first):
        native = _NATIVE.get(name)
        own = tuple(tag for tag in tags if tag == native)
        about = f"speaker {name}"
        if dialect := dialects.get(name):
            about += f", {dialect.replace('_', ' ')}"
        others = tuple(tag for tag in tags if tag not in own)
        voices.append(Voice(name, own + others, about))
    return tuple(voices)
