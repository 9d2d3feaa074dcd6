"""Settings of the language-model proxy: upstreams, and the routes that lead to them.

In the YAML file that ``ANTIPHON_CONFIG`` names, Gemma on Cerebras before the local model, which also has a name of its
own (``deploy/config/gemma.yaml`` says more)::

    llm:
      upstreams:
        - {name: cerebras, provider: cerebras, model: google/gemma-4-31B-it, images: true, tools: true}
        - {name: local, base_url: "http://127.0.0.1:8081/v1", slots: 4}
      routes:
        default: {upstreams: [cerebras, local], temperature: 0.7}
        small: local
"""

import math
import os
import re
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from services.llm.policies import CircuitSettings, HedgeSettings
from services.runtime.errors import FailedPrecondition
from services.runtime.settings import ServiceSettings

DEFAULT_ROUTE = "default"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_KEY = re.compile(r"[!-~]+")


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
        pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$",
        description="root of an OpenAI-compatible API, usually ending in /v1, without a user or a key in it; this or "
        "provider",
    )
    provider: str | None = Field(
        default=None,
        description="an inference provider that Hugging Face knows, such as cerebras: through the router with a Hugging "
        "Face token, directly with the provider's own key",
    )
    model: str = Field(default="default", description="the model's id at the upstream")
    api_key_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        description="environment variable that holds the key, in capitals; with provider HF_TOKEN unless set",
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
    context_tokens: int = Field(
        default=0,
        ge=0,
        description="tokens that a prompt and its reply may have together; 0: not known",
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
                key = self.api_key_file.read_text(errors="replace").strip()
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
        if not _KEY.fullmatch(key):
            # An HTTP library would quote it in its error.
            raise FailedPrecondition(
                f"{where} does not hold the key of upstream {self.name!r} alone: a key has no blanks, no line breaks and "
                "nothing but ASCII"
            )
        return SecretStr(key)

    @property
    def shared(self) -> bool:
        """Whether all replicas of the proxy ask the same server: not one of this machine, nor one whose slots we count."""
        host = urlsplit(self.base_url or "").hostname
        return not self.slots and host not in _THIS_MACHINE

    @property
    def key_variable(self) -> str | None:
        """Environment variable that holds the key; the router's is Hugging Face's own unless told otherwise."""
        if self.api_key_variable or self.api_key_file or not self.provider:
            return self.api_key_variable
        return "HF_TOKEN"

    @field_validator("base_url")
    @classmethod
    def _can_be_split(cls, base_url: str | None) -> str | None:
        urlsplit(base_url or "").port  # noqa: B018  # raises where there is no such port, or no such host
        return base_url

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
    context_tokens=2048,
    start_hint="start it with: python -m services.llm_local",
)
"""The CPU default: our own small server on this machine."""


class RouteSettings(BaseModel):
    """What stands behind a name that clients ask for. One upstream's name, or a list of them, is short for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    upstreams: tuple[str, ...] = Field(
        min_length=1, description="names of upstreams, in the order they are tried"
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="of requests that ask for no other"
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="of requests that ask for no other"
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="of requests that ask for no other"
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description="fields added to the body of every request, over those of the upstream",
    )
    first_token_timeout: float | None = Field(
        default=None,
        gt=0,
        description="seconds from the request to the first token, where the upstream's own limit is longer",
    )
    hedge: bool | float = Field(
        default=True,
        description="whether to ask the next upstream alongside one that is later than it mostly is; a number: after so "
        "many seconds",
    )

    @property
    def sampling(self) -> dict[str, Any]:
        """Sampling of requests that ask for no other, by the contract's names."""
        return self.model_dump(
            include={"temperature", "top_p", "max_tokens"}, exclude_none=True
        )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"upstreams": [value]}
        return {"upstreams": value} if isinstance(value, list) else value

    @field_validator("upstreams")
    @classmethod
    def _once(cls, upstreams: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(upstreams)) < len(upstreams):
            raise ValueError("a route names an upstream twice")
        return upstreams

    @field_validator("hedge")
    @classmethod
    def _can_be_waited(cls, hedge: bool | float) -> bool | float:
        if not isinstance(hedge, bool) and not 0 < hedge < math.inf:
            raise ValueError("takes true, false, or seconds above 0")
        return hedge


class LlmSettings(ServiceSettings):
    """The language-model proxy: upstreams, and the routes under whose names clients ask for them."""

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
    routes: dict[str, RouteSettings] = Field(
        default_factory=dict,
        description="names that clients use for models, each with the upstreams behind it; 'default' is all upstreams in "
        "their order unless it is named here",
    )
    hedging: HedgeSettings = Field(
        default_factory=HedgeSettings,
        description="when the next upstream is asked alongside one that is late",
    )
    circuit: CircuitSettings = Field(
        default_factory=CircuitSettings,
        description="when an upstream is left alone, and for how long",
    )
    warm_up_seconds: float = Field(
        5.0, gt=0, description="time to reach the upstreams before serving without them"
    )

    @field_validator("upstreams")
    @classmethod
    def _called_differently(
        cls, upstreams: list[UpstreamSettings]
    ) -> list[UpstreamSettings]:
        names = [upstream.name for upstream in upstreams]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two are called {', '.join(sorted(twice))}")
        return upstreams

    @field_validator("routes")
    @classmethod
    def _lead_somewhere(
        cls, routes: dict[str, RouteSettings], others: ValidationInfo
    ) -> dict[str, RouteSettings]:
        if "" in routes:
            raise ValueError("a route needs a name")
        if "upstreams" not in others.data:
            return routes  # which are wrong themselves
        there = {upstream.name for upstream in others.data["upstreams"]}
        wanted = {name for route in routes.values() for name in route.upstreams}
        if unknown := sorted(wanted - there):
            raise ValueError(
                f"they name upstreams that are not there: {', '.join(unknown)}"
            )
        return routes

    def route_table(self) -> dict[str, RouteSettings]:
        """Routes by name, the default first."""
        everything = RouteSettings(upstreams=tuple(u.name for u in self.upstreams))
        default = self.routes.get(DEFAULT_ROUTE, everything)
        return {DEFAULT_ROUTE: default, **self.routes}
