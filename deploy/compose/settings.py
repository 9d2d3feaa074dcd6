"""Which settings a container of each service takes from its surroundings, and what compose decides for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.settings import GatewaySettings
from services.llm.settings import LlmSettings
from services.llm_local.settings import LocalModelSettings
from services.runtime.settings import ProcessSettings
from services.stt.settings import SpeechToTextSettings
from services.tts.settings import TextToSpeechSettings

TRACES = (
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "where spans go, by OTLP over gRPC; unset: nowhere",
    ),
    ("OTEL_EXPORTER_OTLP_HEADERS", "NAME=VALUE for the collector, with commas between"),
    ("OTEL_TRACES_SAMPLER", "which turns are traced, as parentbased_traceidratio"),
    ("OTEL_TRACES_SAMPLER_ARG", "the ratio, from 0 to 1"),
    ("OTEL_SDK_DISABLED", "true: no spans at all"),
)
"""OpenTelemetry's own variables, for every process that has spans."""
HUB = (
    ("HF_ENDPOINT", "a mirror of the Hugging Face Hub"),
    ("HF_HUB_OFFLINE", "1: take what is in the cache, and ask nobody"),
)
"""The Hub's own variables, for every process that may fetch from it."""
UPSTREAM_KEYS = (
    ("HF_TOKEN", "Hugging Face token, with the right to use inference providers"),
    ("CEREBRAS_API_KEY", "where an upstream names it (api_key_variable)"),
    ("OPENAI_API_KEY", "likewise"),
    ("UPSTREAM_API_KEY", "likewise, for any other server"),
)
"""Keys of upstreams; the language model's proxy alone gets them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line that a person may set.

    Attributes:
        variable: of the environment.
        default: as it would be written; empty where it is unset.
        about: one line for people.
    """

    variable: str
    default: str
    about: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the compose file.

    Attributes:
        name: of the service.
        settings: of its process.
        fixed: settings that compose decides: what a container listens on and whom it asks is no matter of taste.
        more: variables that are no settings of ours.
    """

    name: str
    settings: type[ProcessSettings]
    fixed: frozenset[str]
    more: tuple[tuple[str, str], ...]

    def own(self) -> Iterator[Setting]:
        """Settings of its own, in the order of their class."""
        prefix = self.settings.model_config.get("env_prefix", "")
        for name, field in self.settings.model_fields.items():
            if name not in self.fixed:
                yield Setting(
                    f"{prefix}{name}".upper(),
                    _written(field),
                    field.description or "",
                )

    def variables(self) -> list[str]:
        """All that its container takes from its surroundings."""
        return [setting.variable for setting in self.own()] + [
            name for name, _ in self.more
        ]


_PLACE = frozenset({"host", "port", "metrics_port"})

SERVICES = (
    Service(
        "gateway",
        GatewaySettings,
        # Where keys are comes with the folder that is mounted.
        _PLACE | {"http_port", "stt", "llm", "tts", "keys"},
        TRACES,
    ),
    Service("stt", SpeechToTextSettings, _PLACE | {"engine"}, TRACES + HUB),
    Service("llm", LlmSettings, _PLACE, TRACES + HUB + UPSTREAM_KEYS),
    Service("llm-local", LocalModelSettings, _PLACE, HUB),
    Service("tts", TextToSpeechSettings, _PLACE | {"engine"}, TRACES + HUB),
)


def _written(field: FieldInfo) -> str:
    """A default as a person would write it into ``.env``."""
    value: Any = field.default
    if value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
