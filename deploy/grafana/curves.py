"""Panels of lines and areas over time, each kind drawn the same wherever it stands."""

from typing import Any

from deploy.grafana.panels import BAD, LEGEND, Panel, Query

LIMITS = ("budget", "alert")
"""Legends that begin so are dashed lines: what something may take, or where somebody is told."""

WHOLE = "response latency"
ALL = "all together"
"""Legends that are a line across a stack, and no part of it."""

_TOOLTIP = {"mode": "multi", "sort": "desc"}
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
        {"id": "color", "value": {"mode": "fixed", "fixedColor": BAD}},
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
        {"id": "custom.lineWidth", "value": 2},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.showPoints", "value": "never"},
        {"id": "custom.stacking", "value": _NONE_STACKED},
    ],
}

_ACROSS = {
    "matcher": {"id": "byRegexp", "options": f"/^({WHOLE}|{ALL})$/"},
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
    most: float | None = None,
) -> Panel:
    """Lines over time.

    Args:
        title: what is seen.
        about: what it means.
        unit: as Grafana names it.
        queries: one or more series each.
        width: in columns.
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
        drawn=_LINE,
        defaults=defaults,
        options={"legend": LEGEND, "tooltip": _TOOLTIP},
        overrides=[_DASHED],
    )


def stack(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 12,
) -> Panel:
    """Areas on top of each other over time, the first one lowest."""
    return Panel(
        "timeseries",
        title,
        about,
        queries,
        unit,
        width,
        drawn={**_LINE, "lineWidth": 1, "fillOpacity": 60, "stacking": _STACKED},
        defaults={"min": 0},
        options={"legend": LEGEND, "tooltip": {**_TOOLTIP, "sort": "none"}},
        overrides=[_DASHED, _ACROSS],
    )


def rare(
    title: str, about: str, unit: str, asked: Query, all_of_it: str, width: int = 12
) -> Panel:
    """A stack of what hardly ever happens: only kinds that did, below a line for all of them, which shows that none did.

    Args:
        title: what is seen.
        about: what it means.
        unit: as Grafana names it.
        asked: a series for each kind, however many there are.
        all_of_it: the same for all kinds together, in PromQL.
        width: in columns.
    """
    happened = Query(f"{asked.expression} > 0", asked.legend)
    return stack(title, about, unit, happened, Query(all_of_it, ALL), width=width)
