"""Settings and metrics of the product, read from its source: the environment of these tests has none of its packages."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.deploy.tools import ROOT

EXAMPLE = ROOT / ".env.example"
TELEMETRY = ROOT / "docs" / "telemetry.md"
SHARED = {"ANTIPHON_CONFIG", "ANTIPHON_BUDGETS", "ANTIPHON_MODELS"}
"""Variables of ours that are no settings of one process: every process reads them."""

_METRIC = re.compile(r"^\| `(antiphon_\w+)` \| (\w+) \|", re.MULTILINE)


@cache
def settings() -> Mapping[str, str]:
    """The variable of every setting with its default, as the settings' classes have them; nothing where it is computed."""
    modules = [ROOT / "gateway" / "settings.py", *ROOT.glob("services/*/settings.py")]
    classes = dict(_classes([ROOT / "services" / "runtime" / "settings.py", *modules]))
    found: dict[str, str] = {}
    for each in classes.values():
        if prefix := _prefix(each):
            fields = dict(_fields(each, classes))
            found |= {prefix + name.upper(): value for name, value in fields.items()}
    return found


def _classes(modules: list[Path]) -> Iterator[tuple[str, ast.ClassDef]]:
    for path in modules:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                yield node.name, node


def _prefix(settings_class: ast.ClassDef) -> str:
    for node in ast.walk(settings_class):
        if isinstance(node, ast.keyword) and node.arg == "env_prefix":
            return str(ast.literal_eval(node.value))
    return ""


def _fields(
    settings_class: ast.ClassDef, classes: Mapping[str, ast.ClassDef]
) -> Iterator[tuple[str, str]]:
    """Names and defaults, those of the classes beneath first."""
    for base in settings_class.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _fields(classes[base.id], classes)
    for node in settings_class.body:
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and "ClassVar" not in ast.unparse(node.annotation)
        ):
            yield node.target.id, _default(node.value)


def _default(value: ast.expr | None) -> str:
    if isinstance(value, ast.Call):
        named = [each.value for each in value.keywords if each.arg == "default"]
        value = next(iter([*value.args, *named]), None)
    if isinstance(value, ast.Constant) and value.value is not None:
        return str(value.value)
    return ""


@cache
def version() -> str:
    """The package's."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


@cache
def metrics() -> frozenset[str]:
    """Names of series that processes export; a unit test holds the page to the metrics' module."""
    found: set[str] = set()
    for metric, kind in _METRIC.findall(TELEMETRY.read_text(encoding="utf-8")):
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        found |= {metric + end for end in ends}
    return frozenset(found)


def drain_seconds(service: str, environment: Mapping[str, str]) -> float:
    """How long a process of ours may take to stop; 0 for those that leave at once."""
    variable = f"ANTIPHON_{service.upper().replace('-', '_')}_DRAIN_SECONDS"
    return float(environment.get(variable) or settings().get(variable) or 0)
