"""The audio of a Realtime session: formats, turn detection, transcription, voices."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from gateway.fronts.config import LONGEST_TEXT
from gateway.fronts.realtime.formats import G711_RATE, PCM
from gateway.fronts.realtime.reading import (
    Wire,
    at_most,
    between,
    invalid,
    unsupported,
)
from services.runtime.contract import GREATEST_RATE, LEAST_RATE

LONGEST_NAME = 256
"""Characters of a name of a model, a voice, a language or a trace."""

Name = Annotated[str, AfterValidator(at_most(LONGEST_NAME))]
Instructions = Annotated[str, AfterValidator(at_most(LONGEST_TEXT))]


def not_ours(why: str, allowed: str) -> BeforeValidator:
    """A validator of a field that may be null only."""

    def refuse(value: Any) -> None:
        if value is not None:
            raise unsupported(f"is not supported: {why}", allowed)

    return BeforeValidator(refuse)


def text_or_object(value: Any) -> str:
    """Which of two shapes a value has; for a `Discriminator`."""
    return "object" if isinstance(value, dict | Wire) else "text"


class Format(Wire):
    """How audio is laid out; ``rate`` null is the server's own setting."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: (
        Annotated[int, AfterValidator(between(LEAST_RATE, GREATEST_RATE, " Hz"))] | None
    ) = None


def _rate_fits(format: Format) -> Format:
    if format.type != PCM and format.rate not in (None, G711_RATE):
        raise invalid(f"has a rate of {format.rate}", f"{G711_RATE} for G.711, or none")
    return format


AudioFormat = Annotated[Format, AfterValidator(_rate_fits)]


class Transcription(Wire):
    """What the client wants to read of what was said."""

    model: Name | None = None
    language: Name | None = None
    prompt: Instructions | None = None
    keywords: (
        Annotated[tuple[Name, ...], Field(strict=False, fail_fast=True)] | None
    ) = None
    languages: Annotated[
        None, not_ours("the recognizer takes one language", "null; see language")
    ] = None
    delay: Annotated[
        None, not_ours("transcripts come as soon as they are there", "null")
    ] = None


class ServerVad(Wire):
    """A turn ends after a fixed silence."""

    type: Literal["server_vad"] = "server_vad"
    threshold: Annotated[float, AfterValidator(between(0, 1))] | None = None
    prefix_padding_ms: (
        Annotated[int, AfterValidator(between(0, 2_000, " ms"))] | None
    ) = None
    silence_duration_ms: (
        Annotated[int, AfterValidator(between(100, 5_000, " ms"))] | None
    ) = None
    idle_timeout_ms: (
        Annotated[int, AfterValidator(between(1_000, 3_600_000, " ms"))] | None
    ) = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVad(Wire):
    """A turn ends after a silence that is the shorter, the likelier the user seems to be done."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetection = Annotated[ServerVad | SemanticVad, Discriminator("type")]


class NoiseReductionField(Wire):
    """Noise is to be taken out; of what is spoken into, whatever it is."""

    type: Literal["near_field", "far_field"]


class AudioInput(Wire):
    """What the client sends."""

    format: AudioFormat | None = None
    noise_reduction: NoiseReductionField | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = ServerVad()


class VoiceId(Wire):
    """A voice by its id; the same as its name here."""

    id: Name


Voice = Annotated[
    Annotated[Name, Tag("text")] | Annotated[VoiceId, Tag("object")],
    Discriminator(text_or_object),
]


class ResponseAudioOutput(Wire):
    """What one response sounds like."""

    format: AudioFormat | None = None
    voice: Voice | None = None


class AudioOutput(ResponseAudioOutput):
    """What the client gets."""

    speed: Annotated[float, AfterValidator(between(0.5, 2.0))] | None = None


class Audio(Wire):
    """Both directions."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()
