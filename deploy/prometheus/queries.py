"""Which metrics, and which labels of them, are asked for by rules and dashboards."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RULES = HERE / "rules"
DASHBOARDS = HERE.parent / "grafana" / "dashboards"

_STRING = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")
_GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
)
_RANGE = re.compile(r"\[[^\]]*\]")
_LABEL_VALUES = re.compile(r"label_values\((.*),\s*\w+\s*\)\s*$", re.DOTALL)
_MATCHER = re.compile(rf"([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*({_STRING})")
_SELECTOR = re.compile(
    rf"(?<![\w.:$])([A-Za-z_:][\w:]*)\s*(\{{(?:[^{{}}\"']|{_STRING})*\}}|\()?"
)
_WORDS = {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"}
_WORDS |= {"by", "without", "on", "ignoring", "group_left", "group_right"}


@dataclass(frozen=True, slots=True)
class Selector:
    """Series that an expression asks for.

    Attributes:
        name: of the metric.
        matchers: label, operator and value of each condition.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """An expression.

    Attributes:
        where: the file, and what stands there under which name.
        expression: PromQL, with Grafana's variables if it is one of a dashboard's.
    """

    where: str
    expression: str


def selectors(expression: str) -> set[Selector]:
    """What an expression of PromQL, or a query of a Grafana variable, asks for.

    Metrics are named by identifiers; ``{__name__=~"..."}`` is not understood.
    """
    if found := _LABEL_VALUES.match(expression.strip()):
        expression = found.group(1)
    plain = _GROUPING.sub(" ", _RANGE.sub(" ", _VARIABLE.sub("0", expression)))
    asked = set()
    for name, behind in _SELECTOR.findall(_without_loose_strings(plain)):
        if behind == "(" or name.lower() in _WORDS:
            continue
        matchers = _MATCHER.findall(behind)
        asked.add(Selector(name, tuple((n, o, v[1:-1]) for n, o, v in matchers)))
    return asked


def of_rules(folder: Path = RULES) -> Iterator[Query]:
    """Every rule's expression."""
    for path, rule in rules(folder):
        name = rule.get("record") or rule["alert"]
        yield Query(f"{path.name}: {name}", rule["expr"])


def recorded(folder: Path = RULES) -> set[str]:
    """Names that rules record."""
    return {rule["record"] for _, rule in rules(folder) if "record" in rule}


def rules(folder: Path = RULES) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every rule with its file, in order."""
    for path in sorted(folder.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield path, rule


def of_dashboards(folder: Path = DASHBOARDS) -> Iterator[Query]:
    """Every expression of every dashboard's panels, annotations and variables."""
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for expression in _expressions(document):
            yield Query(path.name, expression)


def _expressions(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            asks = key == "expr" or (key == "query" and "label_values(" in str(value))
            if asks and isinstance(value, str):
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(part, list):
        for value in part:
            yield from _expressions(value)


def _without_loose_strings(expression: str) -> str:
    """Strings that are arguments go; those in braces are what matchers compare with."""
    kept = re.compile(rf"(\{{(?:[^{{}}\"']|{_STRING})*\}})|{_STRING}")
    return kept.sub(lambda found: found.group(1) or "0", expression)
