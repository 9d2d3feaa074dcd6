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
    about: str = ""


TRACES = (
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "where spans go, by OTLP over gRPC, such as http://otel-collector:4317; unset: nowhere",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        "NAME=VALUE for the collector, with commas between",
    ),
    Setting(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        "which turns are traced; parentbased_traceidratio: a share of them",
    ),
    Setting("OTEL_TRACES_SAMPLER_ARG", "1", "that share, from 0 to 1"),
    Setting("OTEL_SDK_DISABLED", "false", "true: no spans at all"),
)
"""OpenTelemetry's own variables. Not its resource attributes: compose itself sets those, to its own."""

HUB = (
    Setting("HF_ENDPOINT", "https://huggingface.co", "of the Hub, or of a mirror"),
    Setting("HF_HUB_OFFLINE", "0", "1: take what is in the volume, and ask nobody"),
)
"""The Hub's own variables, for every process that may ask it."""

UPSTREAM_KEYS = (
    Setting(
        "HF_TOKEN",
        "",
        "Hugging Face token that may use inference providers; where an upstream names a provider",
    ),
    Setting("CEREBRAS_API_KEY", "", "where an upstream names it (api_key_variable)"),
    Setting("OPENAI_API_KEY", "", "likewise"),
    Setting("UPSTREAM_API_KEY", "", "likewise, for any other server"),
)
"""Keys of upstreams; the language model's proxy alone gets them."""


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
    more: tuple[Setting, ...]

    def own(self) -> Iterator[Setting]:
        """Settings of its own, in the order of their class."""
        prefix = self.settings.model_config.get("env_prefix", "")
        for name, field in self.settings.model_fields.items():
            if name not in self.fixed:
                about = field.description or ""
                if field.default is PydanticUndefined:
                    about += "; as JSON"
                yield Setting(f"{prefix}{name}".upper(), _written(field), about)

    def variables(self) -> list[str]:
        """All that its container takes from its surroundings."""
        return [setting.variable for setting in (*self.own(), *self.more)]


_PLACE = frozenset({"host", "port", "metrics_port"})

SERVICES = (
    Service(
        "gateway",
        GatewaySettings,
        # `own` has the keys, and the ports that are published.
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
