"""The compose files as compose reads them."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "compose"
MAIN = ROOT / "docker-compose.yml"
PARTS = ("settings", "prometheus")
"""Files that others take in."""
OVERLAYS = tuple(
    path for path in sorted(FOLDER.glob("*.yaml")) if path.stem not in PARTS
)

_FILLED_IN = re.compile(r"\$\{(\w+)(?::?-([^${}]*))?")


def read(path: Path) -> dict[str, Any]:
    """What stands in one file, without what compose fills in."""
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def services(path: Path) -> dict[str, dict[str, Any]]:
    """Those of one file."""
    found = read(path).get("services", {})
    assert isinstance(found, dict)
    return found


def variables(path: Path) -> list[tuple[str, str | None]]:
    """Variables that compose fills in, and the default that is written each time; None for none."""
    text = re.sub(r"^ *#.*$", "", path.read_text(), flags=re.MULTILINE)
    return [
        (found[1], found[2] if found[2] else None)
        for found in _FILLED_IN.finditer(text)
    ]
