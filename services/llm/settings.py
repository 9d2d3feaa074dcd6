"""Settings of the language-model proxy.

In the YAML file that ``ANTIPHON_CONFIG`` names, Gemma on Cerebras with the local model under a name of its own::

    llm:
      upstreams:
        - {name: cerebras, provider: cerebras, model: google/gemma-4-31B-it, images: true, tools: true}
        - {name: local, base_url: "http://127.0.0.1:8081/v1", slots: 4}
      aliases: {small: local}
"""

import os
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.errors import FailedPrecondition
from services.runtime.settings import ServiceSettings

DEFAULT_ALIAS = "default"


class UpstreamSettings(BaseModel):
    """One place where replies come from."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str = Field(
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="what logs, metrics and summaries call it",
    )
    kind: str = Field(
        default="openai_compatible",
        description="how it is spoken to; a name in the registry",
    )
    base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="root of an OpenAI-compatible API, usually ending in /v1; this or provider",
    )
    provider: str | None = Field(
        default=None,
        description="a Hugging Face inference provider, such as cerebras, reached through the router with a Hugging "
        "Face token; with a provider's own key set base_url instead",
    )
    model: str = Field(default="default", description="the model's id at the upstream")
    api_key_variable: str | None = Field(
        default=None,
        description="environment variable that holds the key; with provider HF_TOKEN unless set",
    )
    api_key_file: Path | None = Field(
        default=None, description="file that holds the key"
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="fields added to the body of every request"
    )
    connect_timeout: float = Field(
        default=2.0, gt=0, description="seconds for a connection to stand"
    )
    first_token_timeout: float = Field(
        default=10.0, gt=0, description="seconds from the request to the first token"
    )
    between_tokens_timeout: float = Field(
        default=10.0, gt=0, description="seconds of silence borne after the first token"
    )
    slots: int = Field(
        default=0,
        ge=0,
        description="slots of a llama.cpp server, each with its own prompt cache; 0: not such a server, or no affinity",
    )
    images: bool = Field(
        default=False, description="whether the model looks at pictures"
    )
    tools: bool = Field(default=False, description="whether the model calls tools")
    start_hint: str = Field(
        default="", description="what to do when nobody answers, for the error message"
    )

    def read_key(self) -> SecretStr | None:
        """The key, or None where none is named.

        Raises:
            FailedPrecondition: it is named and cannot be had.
        """
        if self.api_key_file:
            try:
                key = self.api_key_file.read_text().strip()
            except OSError as error:
                raise FailedPrecondition(
                    f"the key of upstream {self.name!r} cannot be read: {error}"
                ) from None
            where = str(self.api_key_file)
        elif self.key_variable:
            key = os.environ.get(self.key_variable, "").strip()
            where = f"${self.key_variable}"
        else:
            return None
        if not key:
            raise FailedPrecondition(
                f"{where} is empty: put the key of upstream {self.name!r} there"
            )
        return SecretStr(key)

    @property
    def key_variable(self) -> str | None:
        """Environment variable that holds the key; the router's is Hugging Face's own unless told otherwise."""
        if self.api_key_variable or self.api_key_file or not self.provider:
            return self.api_key_variable
        return "HF_TOKEN"

    @model_validator(mode="after")
    def _one_address_one_key(self) -> "UpstreamSettings":
        if (self.base_url is None) == (self.provider is None):
            raise ValueError(
                f"upstream {self.name!r} needs either base_url or provider"
            )
        if self.api_key_variable and self.api_key_file:
            raise ValueError(
                f"upstream {self.name!r} takes api_key_variable or api_key_file, not both"
            )
        return self


LOCAL = UpstreamSettings(
    name="local",
    base_url="http://127.0.0.1:8081/v1",
    slots=4,
    start_hint="start it with: python -m services.llm_local",
)
"""The CPU default: our own small server on this machine."""


class LlmSettings(ServiceSettings):
    """The language-model proxy: upstreams, and the names under which clients ask for them."""

    model_config = SettingsConfigDict(env_prefix="ANTIPHON_LLM_")
    section: ClassVar[str] = "llm"

    port: int = Field(
        50052, ge=0, le=65535, description="gRPC port; 0 takes a free one"
    )
    metrics_port: int = Field(
        9462, ge=0, le=65535, description="port of /metrics; 0 takes a free one"
    )
    max_streams: int = Field(
        4,
        ge=1,
        description="replies written at once; with a llama.cpp upstream, no more than its slots",
    )
    upstreams: list[UpstreamSettings] = Field(
        default_factory=lambda: [LOCAL],
        min_length=1,
        description="where replies come from",
    )
    aliases: dict[str, str] = Field(
        default_factory=dict,
        description="names that clients use for models, each with the upstream behind it; 'default' is the first "
        "upstream unless it is named here",
    )
    warm_up_seconds: float = Field(
        5.0, gt=0, description="time to reach the upstreams before serving without them"
    )

    @model_validator(mode="after")
    def _names_agree(self) -> "LlmSettings":
        names = [upstream.name for upstream in self.upstreams]
        if len(set(names)) < len(names):
            raise ValueError("two upstreams have the same name")
        unknown = sorted(set(self.aliases.values()) - set(names))
        if unknown:
            raise ValueError(
                f"aliases name upstreams that are not there: {', '.join(unknown)}"
            )
        return self

    def alias_table(self) -> dict[str, str]:
        """Upstream by alias, the default first."""
        default = self.aliases.get(DEFAULT_ALIAS, self.upstreams[0].name)
        return {DEFAULT_ALIAS: default, **self.aliases}
