"""``python -m services.runtime.telemetry.page FILE``: write down every metric, label, span and attribute.

Prose is in ``page.md`` beside this module; its tables are made from `names`, `metrics` and `labels`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from services.runtime.telemetry import labels, metrics, names

_PROSE = Path(__file__).with_name("page.md")


def render() -> str:
    """The whole page, in Markdown."""
    listed = list(names_listed())
    text = _PROSE.read_text(encoding="utf-8")
    for place, table in {
        "{metrics}": _metrics(),
        "{labels}": _labels(),
        "{spans}": _names("span", "where", listed, names.SpanName),
        "{attributes}": _names("attribute", "on", listed, names.Attribute),
        "{events}": _names("event", "on", listed, names.Event),
    }.items():
        text = text.replace(place, table)
    return text


def metrics_listed() -> Iterable[labels.Metric]:
    """Every metric, in the order of its module."""
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            yield metric


def names_listed() -> Iterable[names.Name]:
    """Every name of a span, an attribute or an event, in the order of its module."""
    for name in vars(names).values():
        if isinstance(name, names.Name):
            yield name


def exported_name(metric: labels.Metric) -> str:
    """What queries call it."""
    (family,) = metric.describe()
    return family.name + ("_total" if family.type == "counter" else "")


def _metrics() -> str:
    rows = []
    for metric in metrics_listed():
        (family,) = metric.describe()
        carried = ", ".join(f"`{label}`" for label in labels.OF.get(metric, {}))
        rows.append(
            (f"`{exported_name(metric)}`", family.type, carried, family.documentation)
        )
    return _table(("metric", "kind", "labels", "what it tells"), rows)


def _labels() -> str:
    carriers: dict[tuple[str, str], list[str]] = {}
    for metric, carried in labels.OF.items():
        for label, values in carried.items():
            of = carriers.setdefault((label, _said(values)), [])
            of.append(f"`{exported_name(metric)}`")
    rows = [
        (f"`{label}`", ", ".join(of), said) for (label, said), of in carriers.items()
    ]
    return _table(("label", "of", "values"), rows)


def _said(values: labels.Values) -> str:
    if isinstance(values, labels.AsConfigured):
        return values
    if values is labels.CODES:
        return "a code of gRPC's, such as `OK` or `UNAVAILABLE`"
    return ", ".join(
        f"`{value}`" + (f" ({about})" if about else "")
        for value, about in values.items()
    )


def _names(
    what: str, where: str, listed: Iterable[names.Name], kind: type[names.Name]
) -> str:
    rows = [(f"`{name}`", name.on, name.about) for name in listed if type(name) is kind]
    return _table((what, where, "what it tells"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
