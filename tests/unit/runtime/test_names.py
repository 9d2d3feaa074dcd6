"""What holds for the names of spans, attributes and metrics."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import Counter, Gauge, Histogram

from services.runtime.telemetry import metrics, names

ROOT = Path(__file__).parents[3]


def test_no_attribute_is_the_namespace_of_another() -> None:
    # A store that makes objects of the dots could keep only one of the two.
    listed = [
        each for each in vars(names).values() if isinstance(each, names.Attribute)
    ]
    assert listed
    clashes = [
        (one, other)
        for one in listed
        for other in listed
        if other.startswith(f"{one}.")
    ]
    assert not clashes


@pytest.mark.parametrize("module", [names, metrics], ids=lambda each: each.__name__)
def test_what_is_listed_is_told_by_somebody(module: ModuleType) -> None:
    kinds = (names.Name, Counter, Gauge, Histogram)
    listed = {name for name, each in vars(module).items() if isinstance(each, kinds)}
    assert listed
    short = module.__name__.rpartition(".")[2]
    told = {
        name
        for room in ("gateway", "services")
        for path in (ROOT / room).rglob("*.py")
        # What labels may be is said of every metric, told or not.
        if path.name != "labels.py"
        for name in re.findall(rf"\b{short}\.(\w+)", path.read_text())
    }
    assert not listed - told
