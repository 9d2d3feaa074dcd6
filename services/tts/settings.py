"""What the text-to-speech service can be told."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings
from services.tts.clauses import Policy
from services.tts.engines import (
    DEFAULT_MODELS,
    ENGINES,
    Capabilities,
    EngineOptions,
)

LATER_CLAUSE = Policy(enough=8, most=30)
LATER_SENTENCE = Policy(enough=30, most=60)
"""For engines that say a whole sentence better: a comma ends only what is longer than nearly every spoken sentence."""


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
    max_streams: int | None = Field(
        None,
        ge=1,
        description="replies spoken at once in real time; the next one is told RESOURCE_EXHAUSTED. Default: as many as "
        "the engine was measured to carry at its warm-up, or 4 where it measures nothing",
    )
    engine: str = Field(
        "piper", description=f"who speaks; one of: {', '.join(ENGINES)}"
    )
    model: str = Field(
        "",
        description="weights, in the engine's words. piper: a name of the catalogue, the path of an .onnx with its "
        ".onnx.json beside it, or REPOSITORY:FILE.onnx on the Hugging Face Hub. qwen3: a folder, or OWNER/NAME or "
        "OWNER/NAME@REVISION on the Hub. Default: "
        + ", ".join(f"{model} for {name}" for name, model in DEFAULT_MODELS.items()),
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "auto",
        description="where the model runs; auto: on a GPU if the engine can use the one there is",
    )
    precision: str = Field(
        "auto",
        description="of the weights in memory, in the engine's words, such as bfloat16; auto: the engine's choice",
    )
    max_batch: int | None = Field(
        None,
        ge=1,
        description="replies that take part in one step of the engine; default: the engine's choice",
    )
    voice_name: str = Field(
        "",
        description="what callers call the voice; of a model with several speakers, the default one. "
        "Default: the name that the model gives",
    )
    threads: int = Field(1, ge=1, description="CPU threads of the engine")
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
    clause_words: int | None = Field(
        None,
        ge=1,
        description="words after which a comma ends a later clause; default: "
        f"{LATER_CLAUSE.enough}, or {LATER_SENTENCE.enough} with an engine that says whole sentences better",
    )
    clause_most_words: int | None = Field(
        None,
        ge=2,
        description="words after which a later clause goes out anyway; default: "
        f"{LATER_CLAUSE.most}, or {LATER_SENTENCE.most} with an engine that says whole sentences better",
    )

    @field_validator("engine")
    @classmethod
    def _known(cls, engine: str) -> str:
        if engine not in ENGINES:
            raise ValueError(
                f"there is no engine {engine!r}; there are: {', '.join(ENGINES)}"
            )
        return engine

    def options(self) -> EngineOptions:
        """What the engine is told."""
        return EngineOptions(
            model=self.model,
            voice_name=self.voice_name,
            threads=self.threads,
            device=self.device,
            precision=self.precision,
            max_batch=self.max_batch,
            max_open=self.max_streams,
        )

    def first_clause(self) -> Policy:
        """How long the first clause of a reply is: short with any engine, because somebody waits for it."""
        return Policy(self.first_clause_words, self.first_clause_most_words)

    def later_clauses(self, can: Capabilities) -> Policy:
        """How long the others are, as the operator or else the engine has it."""
        preferred = LATER_SENTENCE if can.sentences else LATER_CLAUSE
        return Policy(
            self.clause_words or preferred.enough,
            self.clause_most_words or preferred.most,
        )
