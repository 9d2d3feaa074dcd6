"""Settings of the speech-to-text service."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings
from services.stt.engines import ENGINES, EngineOptions


class SpeechToTextSettings(ServiceSettings):
    """What the speech-to-text service can be told."""

    model_config = SettingsConfigDict(env_prefix="ANTIPHON_STT_")
    section: ClassVar[str] = "stt"

    port: int = Field(
        50051, ge=0, le=65535, description="gRPC port; 0 takes a free one"
    )
    metrics_port: int = Field(
        9461, ge=0, le=65535, description="port of /metrics; 0 takes a free one"
    )
    max_streams: int | None = Field(
        None,
        ge=1,
        description="utterances heard at once in real time; the next one is told RESOURCE_EXHAUSTED. Default: as many as "
        "the engine was measured to carry at its warm-up, or 8 where it measures nothing",
    )
    engine: str = Field(
        "whisper", description=f"who transcribes; one of: {', '.join(ENGINES)}"
    )
    model: str = Field(
        "",
        description="name in the models catalogue, a file or folder with a model of the engine's kind, or an id on the "
        "Hugging Face Hub; default: whisper-tiny-en for whisper, nvidia/parakeet-tdt-0.6b-v3 for parakeet",
    )
    device: Literal["", "cpu", "cuda", "auto"] = Field(
        "",
        description="where the model runs; auto: on a GPU if there is one; default: cpu for whisper, auto for parakeet",
    )
    precision: str = Field(
        "auto",
        description="of the weights in memory, in the engine's words: int8, float16 and others for whisper; float32, "
        "bfloat16 or (CPU) int8 for parakeet; auto: the engine's choice",
    )
    threads: int = Field(
        1,
        ge=1,
        description="CPU threads of the engine; stages that share a machine starve each other with more",
    )
    max_batch: int | None = Field(
        None,
        ge=1,
        description="utterances transcribed at once; default: as many as the engine gains from on its device",
    )
    partial_interval_seconds: float = Field(
        0.8, gt=0, description="new audio before a stream gets its next partial"
    )
    early_seconds: float = Field(
        0.08,
        ge=0,
        description="silence after speech at which an idle engine transcribes before it is asked, so that a checkpoint "
        "finds its transcript done; 0: never",
    )
    longest_utterance_seconds: float = Field(
        300.0,
        gt=0,
        le=3600,
        description="audio of one stream, above which it is refused",
    )
    window_seconds: float = Field(
        20.0,
        ge=5,
        description="audio that is transcribed as one piece, up to what the model takes; what is longer is divided at "
        "its quietest point while it is still spoken",
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
            device=self.device,
            precision=self.precision,
            threads=self.threads,
            window_seconds=self.window_seconds,
            batch=self.max_batch,
        )
