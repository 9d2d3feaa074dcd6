"""Settings of the local language-model server."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ProcessSettings


class LocalModelSettings(ProcessSettings):
    """An OpenAI-compatible server with a small model on this machine."""

    model_config = SettingsConfigDict(env_prefix="ANTIPHON_LLM_LOCAL_")
    section: ClassVar[str] = "llm_local"

    port: int = Field(
        default=8081, ge=0, le=65535, description="HTTP port; 0 takes a free one"
    )
    model: str = Field(
        default="smollm2-135m",
        min_length=1,
        description="name in the catalogue, path of a .gguf file, or file on the Hugging Face Hub as "
        "owner/repo:file or owner/repo@revision:file",
    )
    slots: int = Field(
        default=4,
        ge=1,
        le=64,
        description="conversations whose prompts are kept; as many are answered at once",
    )
    context: int = Field(
        default=2048,
        ge=256,
        description="tokens of prompt and reply that each slot holds",
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="threads that write; for a small model one is faster than two",
    )
    prompt_threads: int = Field(
        default=2, ge=1, description="threads that read prompts, in short bursts"
    )
    prompt_batch: int = Field(
        default=64,
        ge=16,
        description="tokens of a prompt read in one step; a cancelled prompt stops, and others get their next token, "
        "only between steps",
    )
    drain_seconds: float = Field(
        default=20.0,
        ge=0,
        description="seconds for replies in progress to finish after SIGTERM",
    )
    temperature: float = Field(
        default=0.2,
        ge=0,
        le=2,
        description="of replies that do not ask for another; the model card recommends 0.2",
    )
    top_p: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="of replies that do not ask for another; the model card recommends 0.9",
    )
    repeat_penalty: float = Field(
        default=1.1, ge=1, le=2, description="against a small model's loops; 1: none"
    )
