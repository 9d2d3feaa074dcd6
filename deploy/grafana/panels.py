"""What Grafana's JSON of a panel looks like: queries, and how they are drawn.

Plain dictionaries in Grafana's classic model, which its versions from 11 on read; the field names are Grafana's own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

GOOD, POOR, BAD = "#4bcaaf", "#e2a93f", "#ff6170"

COLOURS = {
    "endpointing": "#8f8777",
    "stt": "#6cb0f6",
    "llm": "#ba98f5",
    "tts": "#4bcaaf",
    "gateway": "#e2a93f",
    "total": BAD,
    "answered": GOOD,
    "used": GOOD,
    "ok": GOOD,
    "failed": BAD,
    "interrupted": POOR,
}
"""Of what has the same name on every page; the shares' are those of the web page's waterfall."""

LEGEND = {
    "showLegend": True,
    "displayMode": "list",
    "placement": "bottom",
    "calcs": ["lastNotNull"],
}
"""Beside the names, the last values."""

PAGES = {
    "endpointing": "antiphon-gateway",
    "stt": "antiphon-stt",
    "llm": "antiphon-llm",
    "tts": "antiphon-tts",
    "gateway": "antiphon-gateway",
}
"""Where a click on a share leads."""

_LABEL_ALONE = re.compile(r"\{\{\w+\}\}")
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query to Prometheus.

    Attributes:
        expression: PromQL.
        legend: name of each series; ``{{label}}`` stands for a label's value.
        exemplars: whether traces are drawn along with it.
        once: ask for now alone.
        form: ``time_series``, ``table``, or ``heatmap`` for the buckets of a histogram.
    """

    expression: str
    legend: str = ""
    exemplars: bool = False
    once: bool = False
    form: str = "time_series"

    def json(self, ref: str) -> Json:
        """As Grafana has it."""
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "exemplar": self.exemplars,
            "expr": self.expression,
            "format": self.form,
            "instant": self.once,
            "legendFormat": self.legend or "__auto",
            "range": not self.once,
            "refId": ref,
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        kind: of Grafana's panels.
        title: what is seen.
        about: what it means, and what to look at next.
        queries: what is drawn.
        unit: as Grafana names it: ``s``, ``percentunit``, ``short``, ``bytes``, ``reqps`` …
        width: in columns.
        height: in Grafana's rows, of about 30 pixels.
        drawn: ``custom`` of the fields: lines, fills, stacks.
        defaults: more of the fields' defaults.
        options: of the panel.
        overrides: where single series look different.
        transformations: what becomes of the answers before they are drawn.
    """

    kind: str
    title: str
    about: str
    queries: Sequence[Query]
    unit: str
    width: int = 12
    height: int = 8
    drawn: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()

    def json(self, number: int, x: int, y: int) -> Json:
        """As Grafana has it, at a place of the grid."""
        made: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": DATASOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "custom": dict(self.drawn),
                    **self.defaults,
                },
                "overrides": [*self._coloured(), *self.overrides],
            },
            "options": dict(self.options),
            "targets": [
                query.json(chr(ord("A") + place))
                for place, query in enumerate(self.queries)
            ],
        }
        if self.transformations:
            made["transformations"] = list(self.transformations)
        return made

    def _coloured(self) -> Iterator[Json]:
        legends = {query.legend for query in self.queries}
        any_name = any(_LABEL_ALONE.fullmatch(legend) for legend in legends)
        for name, colour in COLOURS.items():
            if any_name or name in legends:
                yield {
                    "matcher": {"id": "byName", "options": name},
                    "properties": list(_looks(name, colour)),
                }


def _looks(name: str, colour: str) -> Iterator[Json]:
    yield {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}
    if name in PAGES:
        url = f"/d/{PAGES[name]}?${{__url_time_range}}"
        yield {"id": "links", "value": [{"title": f"What {name} did", "url": url}]}
