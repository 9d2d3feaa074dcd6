"""The other kinds of panels that the pages are made of: numbers, bars, grades, states, tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.grafana.panels import BAD, LEGEND, Json, Panel, Query
from deploy.grafana.queries import SHARES


def number(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    steps: Sequence[tuple[float | None, str]] = ((None, "text"),),
    width: int = 4,
    empty: str = "no turns",
    decimals: int | None = None,
) -> Panel:
    """The last value, large, with what it was over time behind it.

    Args:
        title: what is seen.
        about: what it means.
        unit: as Grafana names it.
        queries: a value each.
        steps: from which value on which colour is shown; None for the lowest.
        width: in columns.
        empty: what is shown where there is no value.
        decimals: digits behind the point; Grafana chooses where it is None.
    """
    defaults: dict[str, Any] = {
        "color": {"mode": "thresholds"},
        "noValue": empty,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in steps],
        },
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    return Panel(
        "stat",
        title,
        about,
        queries,
        unit,
        width,
        height=4,
        defaults=defaults,
        options={
            "colorMode": "value",
            "graphMode": "none" if any(query.once for query in queries) else "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto" if len(queries) == 1 else "value_and_name",
        },
    )


def heat(title: str, about: str, query: Query, width: int = 12) -> Panel:
    """How often each grade of a histogram was met, over time; exemplars are dots that lead to their traces."""
    return Panel(
        "heatmap",
        title,
        about,
        [query],
        "short",
        width,
        drawn={"scaleDistribution": {"type": "linear"}},
        options={
            "calculate": False,
            "cellGap": 1,
            "color": {
                "mode": "scheme",
                "scheme": "Oranges",
                "scale": "exponential",
                "exponent": 0.5,
                "steps": 64,
                "reverse": False,
            },
            "exemplars": {"color": BAD},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
            "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": False},
        },
    )


def shares(title: str, about: str, query: Query, width: int = 8) -> Panel:
    """The waterfall's shares end to end, a bar for each percentile.

    Args:
        title: what is seen.
        about: what it means.
        query: asked once; a value for each ``percentile`` and ``stage``.
        width: in columns.
    """
    return Panel(
        "barchart",
        title,
        about,
        [query],
        "s",
        width,
        drawn={"fillOpacity": 80, "lineWidth": 0},
        defaults={"min": 0},
        options={
            "orientation": "horizontal",
            "stacking": "normal",
            "showValue": "auto",
            "barWidth": 0.8,
            "groupWidth": 0.8,
            "legend": {**LEGEND, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        transformations=[
            {"id": "sortBy", "options": {"sort": [{"field": "percentile"}]}},
            {
                "id": "groupingToMatrix",
                "options": {
                    "columnField": "stage",
                    "rowField": "percentile",
                    "valueField": "Value",
                },
            },
            {
                "id": "organize",
                "options": {
                    "indexByName": {
                        name: place
                        for place, name in enumerate(("percentile\\stage", *SHARES))
                    }
                },
            },
        ],
    )


def states(
    title: str,
    about: str,
    query: Query,
    named: Mapping[int, tuple[str, str]],
    width: int = 12,
) -> Panel:
    """Which state something was in, over time.

    Args:
        title: what is seen.
        about: what it means.
        query: a series for each thing that has a state.
        named: name and colour by number.
        width: in columns.
    """
    mappings: list[Json] = [
        {
            "type": "value",
            "options": {
                str(value): {"text": text, "color": colour, "index": value}
                for value, (text, colour) in named.items()
            },
        }
    ]
    return Panel(
        "state-timeline",
        title,
        about,
        [query],
        "short",
        width,
        drawn={"fillOpacity": 80, "lineWidth": 0},
        defaults={"mappings": mappings, "noValue": "unknown"},
        options={
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "auto",
            "legend": {**LEGEND, "calcs": [], "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def table(title: str, about: str, query: Query, *hidden: str, width: int = 24) -> Panel:
    """Labels of what is there now, a line each.

    Args:
        title: what is seen.
        about: what it means.
        query: asked once.
        hidden: columns that tell nothing.
        width: in columns.
    """
    return Panel(
        "table",
        title,
        about,
        [query],
        "short",
        width,
        height=6,
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=[
            {
                "id": "organize",
                "options": {
                    "excludeByName": {name: True for name in ("Time", "Value", *hidden)}
                },
            }
        ],
    )
