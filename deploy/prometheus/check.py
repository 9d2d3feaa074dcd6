"""Hold rules, dashboards and the page of telemetry to what running processes export.

``python -m deploy.prometheus.check [URL ...]`` reads the ``/metrics`` of each URL, or of every target of ``targets.yml``; it
tells what does not agree, a line each, and leaves with status 1 if anything does not.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.request import urlopen

import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.prometheus.queries import (
    HERE,
    Query,
    of_dashboards,
    of_rules,
    recorded,
    selectors,
)

PAGE = HERE.parents[1] / "docs" / "telemetry.md"
_TARGETS = HERE / "targets.yml"
_SECONDS = 10.0

OF_PROMETHEUS = frozenset({"up", "ALERTS"})
"""Series that Prometheus makes itself."""
OF_TARGETS = frozenset({"job", "instance"})
"""Labels that a scrape adds."""
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}

Exported = Mapping[str, frozenset[str] | None]
"""By the name of a series, its labels; None where there is no series of it yet."""


def scrape(urls: Iterable[str]) -> Exported:
    """What processes export together.

    Raises:
        OSError: one of them cannot be reached.
    """
    found: dict[str, frozenset[str] | None] = {}
    for url in urls:
        with urlopen(url, timeout=_SECONDS) as answer:
            found.update(
                {
                    name: labels
                    for name, labels in read(answer.read().decode()).items()
                    if found.get(name) is None
                }
            )
    return found


def read(text: str) -> Exported:
    """What one process exports, in Prometheus' text format."""
    found: dict[str, frozenset[str] | None] = {}
    for family in text_string_to_metric_families(text):
        for suffix in _SUFFIXES.get(family.type, ("",)):
            found[family.name + suffix] = None
        for sample in family.samples:
            found[sample.name] = frozenset(sample.labels)
    return found


def missing(
    queries: Iterable[Query], known: frozenset[str], exported: Exported
) -> list[str]:
    """What queries ask for in vain: metrics that nobody exports, and labels that these do not carry.

    Args:
        queries: of rules and dashboards.
        known: further names that may be asked for, whatever their labels.
        exported: by running processes.
    """
    complaints = []
    for query in queries:
        for asked in selectors(query.expression):
            if asked.name in known:
                continue
            if asked.name not in exported:
                complaints.append(f"{query.where}: nobody exports {asked.name}")
                continue
            carried = exported[asked.name]
            wanted = {label for label, _, _ in asked.matchers} - OF_TARGETS
            if carried is not None and (strange := sorted(wanted - carried)):
                complaints.append(
                    f"{query.where}: {asked.name} has no label {', '.join(strange)}"
                )
    return sorted(set(complaints))


def undocumented(exported: Exported, page: str) -> list[str]:
    """Metrics of ours that the page of telemetry does not name."""
    ours = {_written(name) for name in exported if name.startswith("antiphon_")}
    return [
        f"{PAGE.name}: says nothing of {name}"
        for name in sorted(ours)
        if f"`{name}`" not in page
    ]


def check(urls: Iterable[str]) -> list[str]:
    """All that does not agree.

    Raises:
        OSError: a process cannot be reached.
    """
    exported = scrape(urls)
    queries = [*of_rules(), *of_dashboards()]
    known = OF_PROMETHEUS | recorded()
    return [
        *missing(queries, known, exported),
        *undocumented(exported, PAGE.read_text(encoding="utf-8")),
    ]


def targets(path: Path = _TARGETS) -> list[str]:
    """Where the processes of a file of targets answer."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [f"http://{at}/metrics" for group in groups for at in group["targets"]]


def main() -> None:
    """Check what the arguments name."""
    urls = sys.argv[1:] or targets()
    try:
        complaints = check(urls)
    except OSError as error:
        sys.exit(f"cannot scrape {' '.join(urls)}: {error}")
    for complaint in complaints:
        print(complaint)
    if complaints:
        sys.exit(1)
    print("Rules, dashboards and the page of telemetry agree with what is exported.")


def _written(name: str) -> str:
    """As the page writes it: a histogram by its family."""
    for suffix in ("_bucket", "_sum", "_count", "_created"):
        name = name.removesuffix(suffix)
    return name


if __name__ == "__main__":
    main()
