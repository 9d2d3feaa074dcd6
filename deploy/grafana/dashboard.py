"""What Grafana's JSON of a dashboard looks like: rows of panels, and what is chosen at its top."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.grafana.panels import DATASOURCE, Json, Panel

COLUMNS = 24
"""Of Grafana's grid."""


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
            "datasource": DATASOURCE,
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
        "datasource": DATASOURCE,
        "enable": True,
        "expr": 'ALERTS{alertname=~"Antiphon.*",alertstate="firing"}',
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{stage}} {{upstream}} {{instance}}",
        "step": "30s",
    },
    {
        "name": "Processes started",
        "datasource": DATASOURCE,
        "enable": True,
        "expr": 'process_start_time_seconds{job=~"antiphon-.*"} * 1000',
        "iconColor": "blue",
        "titleFormat": "{{job}} started",
        "textFormat": "{{instance}}",
        "useValueForTime": True,
    },
)
