"""What the text-to-speech service can be told."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class TextToSpeechSettings(ServiceSettings):
    """Settings of the text-to-speech service."""

    model_config = SettingsConfigDict(env_prefix="ANTIPHON_TTS_")
    section: ClassVar[str] = "tts"

    port: int = Field(
        50053, ge=0, le=65535, description="gRPC port; 0 takes a free one"
    )
    metrics_port: int = Field(
        9463, ge=0, le=65535, description="port of /metrics; 0 takes a free one"
    )
    max_streams: int = Field(
        4,
        ge=1,
        description="replies spoken at once in real time; the next one is told RESOURCE_EXHAUSTED",
    )
    engine: str = Field("piper", description="who speaks; there is: piper")
    model: str = Field(
        "piper-joe-medium",
        min_length=1,
        description="voice: a name of the catalogue, the path of a Piper .onnx with its .onnx.json beside it, or "
        "REPOSITORY:FILE.onnx on the Hugging Face Hub",
    )
    voice_name: str = Field(
        "",
        description="what callers call the voice; of a model with several speakers, the default one. "
        "Default: the name that the model gives",
    )
    threads: int = Field(1, ge=1, description="threads of the engine")
    max_ahead_seconds: float = Field(
        20.0,
        ge=1.0,
        description="audio synthesized beyond what the client has read; then the stream waits",
    )
    max_text_characters: int = Field(
        16_384, ge=1, description="characters in one text message; more are refused"
    )
    max_reply_characters: int = Field(
        100_000, ge=1, description="characters in one reply; more are refused"
    )
    frame_milliseconds: int = Field(
        60, ge=40, le=80, description="audio in one message"
    )
    first_clause_words: int = Field(
        2,
        ge=1,
        description="words after which a comma ends the first clause of a reply; fewer are heard sooner",
    )
    first_clause_most_words: int = Field(
        10,
        ge=2,
        description="words after which the first clause of a reply goes out without any punctuation",
    )
    clause_words: int = Field(
        8, ge=1, description="words after which a comma ends a later clause"
    )
    clause_most_words: int = Field(
        30, ge=2, description="words after which a later clause goes out anyway"
    )
