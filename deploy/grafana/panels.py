"""What Grafana's JSON looks like: a dashboard is rows of panels, a panel is queries and how they are drawn.

Plain dictionaries in Grafana's classic model, which its versions from 11 on read; the field names are Grafana's own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

COLUMNS = 24
"""Of Grafana's grid."""

COLOURS = {
    "endpointing": "#8f8777",
    "stt": "#6cb0f6",
    "llm": "#ba98f5",
    "tts": "#4bcaaf",
    "gateway": "#e2a93f",
    "total": "#ff6170",
    "answered": "#4bcaaf",
    "used": "#4bcaaf",
    "ok": "#4bcaaf",
    "OK": "#4bcaaf",
    "failed": "#ff6170",
    "interrupted": "#e2a93f",
}
"""Of what has the same name on every page; the shares' are those of the web page's waterfall."""

LEGEND = {
    "showLegend": True,
    "displayMode": "list",
    "placement": "bottom",
    "calcs": ["lastNotNull"],
}
"""Beside the names, the last values."""

_LABEL_ALONE = re.compile(r"\{\{\w+\}\}")
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query to Prometheus.

    Attributes:
        expression: PromQL.
        legend: name of each series; ``{{label}}`` stands for a label's value.
        exemplars: whether traces are drawn along with it.
        once: ask for now alone, as a table.
        buckets: the series are a histogram's buckets.
    """

    expression: str
    legend: str = ""
    exemplars: bool = False
    once: bool = False
    buckets: bool = False

    def json(self, ref: str) -> Json:
        """As Grafana has it."""
        form = "heatmap" if self.buckets else "time_series"
        return {
            "datasource": _DATASOURCE,
            "editorMode": "code",
            "exemplar": self.exemplars,
            "expr": self.expression,
            "format": "table" if self.once else form,
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
            "datasource": _DATASOURCE,
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
                    "properties": [
                        {
                            "id": "color",
                            "value": {"mode": "fixed", "fixedColor": colour},
                        }
                    ],
                }


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, from left to right, as many lines as they need; the last of a line reaches its end."""

    title: str
    panels: Sequence[Panel]

    def lines(self) -> list[list[Panel]]:
        """The panels that stand beside each other."""
        lines: list[list[Panel]] = [[]]
        for panel in self.panels:
            if sum(other.width for other in lines[-1]) + panel.width > COLUMNS:
                lines.append([])
            lines[-1].append(panel)
        return lines


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page.

    Attributes:
        uid: its address, and the name of its file.
        title: what it is called in Grafana.
        about: what it is for.
        job: which processes ``$instance`` chooses from; without ``antiphon-``, may be a pattern.
        rows: from top to bottom.
        choices: further variables, each with a name, a label, values and the one that is chosen at first.
    """

    uid: str
    title: str
    about: str
    job: str
    rows: Sequence[Row]
    choices: Sequence[tuple[str, str, tuple[str, ...], str]] = ()

    def json(self) -> Json:
        """As Grafana has it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["antiphon"],
            "schemaVersion": 41,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "links": [_LINKS],
            "annotations": {"list": list(_ANNOTATIONS)},
            "templating": {"list": list(self._variables())},
            "panels": list(self._placed()),
        }

    def _variables(self) -> Iterator[Json]:
        yield {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        }
        question = f'label_values(up{{job=~"antiphon-{self.job}"}}, instance)'
        yield {
            "name": "instance",
            "label": "Replica",
            "type": "query",
            "datasource": _DATASOURCE,
            "definition": question,
            "query": {"query": question, "refId": "instances"},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }
        window = (
            "window",
            "Each point looks back",
            ("1m", "5m", "15m", "1h", "6h"),
            "5m",
        )
        for name, label, values, chosen in (window, *self.choices):
            yield {
                "name": name,
                "label": label,
                "type": "custom",
                "query": ",".join(values),
                "current": {"selected": True, "text": chosen, "value": chosen},
                "options": [
                    {"selected": value == chosen, "text": value, "value": value}
                    for value in values
                ],
            }

    def _placed(self) -> Iterator[Json]:
        number, y = 1, 0
        for row in self.rows:
            yield {
                "id": number,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
                "panels": [],
            }
            number, y = number + 1, y + 1
            for line in row.lines():
                x = 0
                for panel in line:
                    made = panel.json(number, x, y)
                    if panel is line[-1]:
                        made["gridPos"]["w"] = COLUMNS - x
                    yield made
                    number, x = number + 1, x + panel.width
                y += line[0].height


_LINKS = {
    "title": "Antiphon",
    "type": "dashboards",
    "tags": ["antiphon"],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": True,
    "targetBlank": False,
}
_ANNOTATIONS = (
    {
        "name": "Alerts firing",
        "datasource": _DATASOURCE,
        "enable": True,
        "expr": 'ALERTS{alertname=~"Antiphon.*",alertstate="firing"}',
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{stage}} {{upstream}} {{instance}}",
        "step": "30s",
    },
    {
        "name": "Processes started",
        "datasource": _DATASOURCE,
        "enable": True,
        "expr": 'process_start_time_seconds{job=~"antiphon-.*"} * 1000',
        "iconColor": "blue",
        "titleFormat": "{{job}} started",
        "textFormat": "{{instance}}",
        "useValueForTime": True,
    },
)
