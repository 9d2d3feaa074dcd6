"""How the user has set the processes: environment first, then the settings file, as the processes themselves do."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from antiphon.cli.failures import CommandError
from antiphon.cli.parts import Part
from services.runtime.settings import CONFIG_VARIABLE

EVERYWHERE = ("0.0.0.0", "::", "")
"""Hosts that mean all addresses of the machine."""


class BadSetting(CommandError):
    """The settings file cannot be read, or a port is none; the message says which."""


class Setting(Protocol):
    """Looks a setting up."""

    def __call__(self, part: Part, name: str) -> Any:
        """What the user has set, None if nothing; from the file it may be of any kind."""


def settings(environment: Mapping[str, str] = os.environ) -> Setting:
    """What the user has set.

    Raises:
        BadSetting: the settings file cannot be read.
    """
    path = environment.get(CONFIG_VARIABLE)
    document: Any = {}
    if path:
        try:
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise BadSetting(f"{CONFIG_VARIABLE}={path}: {error}") from None

    def setting(part: Part, name: str) -> Any:
        value = environment.get(part.variable(name))
        if value:
            return value
        section = document.get(part.section) if isinstance(document, dict) else None
        return section.get(name) if isinstance(section, dict) else None

    return setting


def host_of(part: Part, setting: Setting) -> str:
    """The address that a process listens on."""
    return str(setting(part, "host") or "127.0.0.1")


def port_of(part: Part, name: str, value: Any, default: int) -> int:
    """A port as it is set; 0 stands for a free one.

    Args:
        part: whose it is.
        name: of the setting.
        value: what the user has set, None if nothing.
        default: where nothing is.

    Raises:
        BadSetting: it is no port.
    """
    try:
        number = default if value is None else int(str(value))
    except ValueError:
        raise BadSetting(f"{part.variable(name)}={value}: must be a number") from None
    if not 0 <= number <= 65535:
        raise BadSetting(f"{part.variable(name)}={value}: must be 0 to 65535")
    return number
