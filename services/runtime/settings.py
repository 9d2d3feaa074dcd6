"""Settings of a process: environment, an optional YAML file, the command line.

A later source wins: defaults, then the YAML file that ``ANTIPHON_CONFIG`` names (its section for the service),
then environment variables, then flags. ``--help`` of every service lists all of them.
"""

import os
import sys
from collections.abc import Hashable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from yaml.constructor import ConstructorError

CONFIG_VARIABLE = "ANTIPHON_CONFIG"
SECTIONS = ("gateway", "stt", "llm", "llm_local", "tts")
"""Of the YAML file; each process reads its own."""


class ProcessSettings(BaseSettings):
    """What every process can be told. Subclasses add their own and name their ``section``."""

    model_config = SettingsConfigDict(
        extra="forbid",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        env_ignore_empty=True,
        protected_namespaces=(),
    )
    section: ClassVar[str] = ""

    host: str = Field(
        default="127.0.0.1",
        description="address to listen on; loopback unless told otherwise",
    )
    port: int = Field(
        default=0, ge=0, le=65535, description="port to listen on; 0 takes a free one"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="json, or console for people; auto: console on a terminal",
    )
    log_words: bool = Field(
        default=False,
        description="leave what users say, and what they are answered, in debug lines",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags and arguments first, then the environment, then the YAML file."""
        return init_settings, env_settings, _YamlSection(settings_cls)

    @classmethod
    def load(cls, arguments: list[str] | None = None) -> Self:
        """Settings of this process; leaves with status 2 and a line for each field that is wrong.

        Args:
            arguments: command line without the program's name; default: this process's.
        """
        cls._warn_of_unknown_variables()
        try:
            return CliApp.run(
                cls, cli_args=sys.argv[1:] if arguments is None else arguments
            )
        except SettingsError as error:
            # Its cause says where the JSON breaks off; neither repeats it, and there may be a key in it.
            print(f"{cls.section}: {error}: {error.__cause__}", file=sys.stderr)
            raise SystemExit(2) from None
        except ValidationError as error:
            for problem in error.errors():
                name = ".".join(str(part) for part in problem["loc"])
                said = problem["msg"]
                if problem["type"] == "extra_forbidden":
                    known = cls.model_fields if len(problem["loc"]) == 1 else ()
                    said = f"there is no such setting{_hint(name, known)}"
                print(f"{cls.section}: setting {name!r}: {said}", file=sys.stderr)
            prefix = cls.model_config.get("env_prefix", "")
            print(
                f"Settings are flags (--NAME), variables ({prefix}NAME) or lines of "
                f"the file that {CONFIG_VARIABLE} names; --help lists them all.",
                file=sys.stderr,
            )
            raise SystemExit(2) from None

    @classmethod
    def _warn_of_unknown_variables(cls) -> None:
        prefix = cls.model_config.get("env_prefix", "")
        known = [f"{prefix}{name}".upper() for name in cls.model_fields]
        others = tuple(
            f"ANTIPHON_{section}_".upper()
            for section in SECTIONS
            if section.startswith(f"{cls.section}_")
        )
        for name in sorted(os.environ):
            if (
                prefix
                and name.upper().startswith(prefix)
                and not name.upper().startswith(others)
                and name.upper() not in known
            ):
                _warn(f"{name} is no setting and is ignored", name.upper(), known)


class ServiceSettings(ProcessSettings):
    """What every gRPC service can be told."""

    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="port of /metrics; 0 takes a free one"
    )
    max_streams: int | None = Field(
        default=8,
        ge=1,
        description="streams carried at once; the next one is told RESOURCE_EXHAUSTED",
    )
    max_message_bytes: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        le=2**31 - 1,
        description="largest gRPC message taken",
    )
    connection_age: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="seconds after which clients are to open a new connection, and so find replicas that have come; "
        "calls under way go on; 0: never, else 0.1 or more",
    )
    drain_seconds: float = Field(
        default=150.0,
        ge=0,
        description="seconds for work in progress to finish after SIGTERM, which an utterance of two minutes takes; who is idle "
        "leaves at once",
    )

    @field_validator("connection_age")
    @classmethod
    def _lives_a_while(cls, age: float) -> float:
        # gRPC counts whole milliseconds, and a connection of none takes no call.
        if 0 < age < 0.1:
            raise ValueError("a connection's age is 0 for no limit, or at least 0.1 s")
        return age


class _StrictLoader(yaml.SafeLoader):
    """Refuses a name that is there twice; YAML's own would forget what the first one says."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        """The mapping of a node."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"{key.value!r} is there twice"
                raise ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _YamlSection(PydanticBaseSettingsSource):
    """The service's section of the YAML file that the environment names."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the section is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The section's settings; empty without a file."""
        path = os.environ.get(CONFIG_VARIABLE)
        section = getattr(self.settings_cls, "section", "")
        if not path:
            return {}
        try:
            document = yaml.load(Path(path).read_text(encoding="utf-8"), _StrictLoader)
        except (OSError, ValueError, yaml.YAMLError) as error:
            print(f"{CONFIG_VARIABLE}={path}: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        # Where every line is a comment, YAML says null.
        document = {} if document is None else document
        if not isinstance(document, dict):
            document = {section: document}
        for name in document:
            if name != section and name not in SECTIONS:
                problem = f"{CONFIG_VARIABLE}={path}: section {name!r} is nobody's and is ignored"
                _warn(problem, str(name), SECTIONS)
        values = document.get(section)
        values = {} if values is None else values
        if not isinstance(values, dict) or not all(
            isinstance(name, str) for name in values
        ):
            print(
                f"{CONFIG_VARIABLE}={path}: section {section!r} must map setting names to values",
                file=sys.stderr,
            )
            raise SystemExit(2)
        return values


def _warn(problem: str, name: str, known: Iterable[str]) -> None:
    print(f"warning: {problem}{_hint(name, known)}", file=sys.stderr)


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
