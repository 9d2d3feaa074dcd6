"""The kinds of panels that the pages are made of, each drawn the same wherever it stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.grafana.panels import Json, Panel, Query
from deploy.grafana.queries import SHARES

LIMITS = ("budget", "alert")
"""Legends that begin so are dashed lines: what something may take, or where somebody is told."""

WHOLE = "response latency"
"""A legend that is a line across a stack, and no part of it."""

_TOOLTIP = {"mode": "multi", "sort": "desc"}
_LEGEND = {
    "showLegend": True,
    "displayMode": "list",
    "placement": "bottom",
    "calcs": ["lastNotNull"],
}
_LINE = {
    "drawStyle": "line",
    "lineInterpolation": "linear",
    "lineWidth": 2,
    "fillOpacity": 0,
    "showPoints": "auto",
    "pointSize": 4,
    "spanNulls": False,
}
_NONE_STACKED = {"mode": "none", "group": "A"}
_STACKED = {"mode": "normal", "group": "A"}
_DASHED = {
    "matcher": {"id": "byRegexp", "options": f"/^({'|'.join(LIMITS)})/"},
    "properties": [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "#ff6170"}},
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
        {"id": "custom.lineWidth", "value": 2},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.showPoints", "value": "never"},
        {"id": "custom.stacking", "value": _NONE_STACKED},
    ],
}

_ACROSS = {
    "matcher": {"id": "byName", "options": WHOLE},
    "properties": [
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "text"}},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.lineWidth", "value": 2},
        {"id": "custom.stacking", "value": _NONE_STACKED},
    ],
}


def lines(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    most: float | None = None,
) -> Panel:
    """Lines over time.

    Args:
        title: what is seen.
        about: what it means.
        unit: as Grafana names it.
        queries: one or more series each.
        width: in columns.
        height: in rows.
        most: the axis reaches up to it at least.
    """
    defaults: dict[str, Any] = {"min": 0}
    if most is not None:
        defaults["max"] = most
    return Panel(
        "timeseries",
        title,
        about,
        queries,
        unit,
        width,
        height,
        drawn=_LINE,
        defaults=defaults,
        options={"legend": _LEGEND, "tooltip": _TOOLTIP},
        overrides=[_DASHED],
    )


def stack(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Areas on top of each other over time, the first one lowest."""
    return Panel(
        "timeseries",
        title,
        about,
        queries,
        unit,
        width,
        height,
        drawn={**_LINE, "lineWidth": 1, "fillOpacity": 60, "stacking": _STACKED},
        defaults={"min": 0},
        options={"legend": _LEGEND, "tooltip": {**_TOOLTIP, "sort": "none"}},
        overrides=[_DASHED, _ACROSS],
    )


def number(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    steps: Sequence[tuple[float | None, str]] = ((None, "text"),),
    width: int = 4,
    height: int = 4,
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
        height: in rows.
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
        height,
        defaults=defaults,
        options={
            "colorMode": "value",
            "graphMode": "area" if len(queries) == 1 else "none",
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
            "exemplars": {"color": "#ff6170"},
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
            "legend": {**_LEGEND, "calcs": []},
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
            "legend": {**_LEGEND, "calcs": [], "showLegend": False},
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
