"""The dashboards ask for what there is, hold no number of a budget, and are what their code makes."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider

from deploy.grafana import pages, panels
from deploy.grafana.dashboard import COLUMNS
from deploy.prometheus import check, queries
from services.runtime.telemetry import budgets, labels, metrics, tracing

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
Json = dict[str, Any]

NAMED = {
    metric.describe()[0].name: metric
    for metric in vars(metrics).values()
    if isinstance(metric, labels.Metric)
}
SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
}
OF_PROCESSES = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}


def documents() -> list[Json]:
    return [json.loads(text) for text in pages.every().values()]


def panels_of(document: Json) -> list[Json]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def all_panels() -> Iterator[Json]:
    for document in documents():
        yield from panels_of(document)


def expressions() -> set[str]:
    drawn = {target["expr"] for panel in all_panels() for target in panel["targets"]}
    noted = {
        note["expr"]
        for document in documents()
        for note in document["annotations"]["list"]
    }
    return drawn | noted


def as_grafana_asks(expression: str) -> str:
    """With a value for each of Grafana's variables."""
    for name, value in (
        ("$__range", "1h"),
        ("$window", "5m"),
        ("$quantile", "0.95"),
        ("$instance", ".*"),
    ):
        expression = expression.replace(name, value)
    return expression


def test_the_committed_files_are_what_the_code_makes() -> None:
    committed = {
        path.name: path.read_text() for path in (GRAFANA / "dashboards").iterdir()
    }
    assert committed == pages.every(), "run: python -m deploy.grafana"


def exported() -> dict[str, labels.Metric]:
    """By the name of each series, its metric."""
    return {
        name + suffix: metric
        for name, metric in NAMED.items()
        for suffix in SUFFIXES[metric.describe()[0].type]
    }


def asked() -> set[queries.Selector]:
    return set().union(*(queries.selectors(expression) for expression in expressions()))


def test_every_metric_that_is_asked_for_is_exported() -> None:
    known = OF_PROCESSES | check.OF_PROMETHEUS | queries.recorded() | set(exported())
    assert {selector.name for selector in asked()} - known == set()


def test_every_metric_that_is_exported_is_drawn_somewhere() -> None:
    drawn = {selector.name for selector in asked()}
    families = {id(metric) for name, metric in exported().items() if name in drawn}
    assert [name for name, metric in NAMED.items() if id(metric) not in families] == []


def test_labels_are_those_of_their_metric_and_values_are_of_their_sets() -> None:
    held = 0
    for selector in asked():
        metric = exported().get(selector.name)
        if metric is None:
            continue
        for label, operator, value in selector.matchers:
            if label in check.OF_TARGETS:
                continue
            values = labels.OF[metric][label]
            if not isinstance(values, labels.AsConfigured):
                chosen = value.split("|") if operator.endswith("~") else [value]
                assert set(chosen) <= set(values), (selector, label)
                held += 1
    assert held > 0


def test_every_query_is_promql(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    rules = [
        {"record": f"q{place}", "expr": as_grafana_asks(expression)}
        for place, expression in enumerate(sorted(expressions()))
    ]
    assert not [rule for rule in rules if "$" in rule["expr"]]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run(
        ["promtool", "check", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_query_and_no_threshold_holds_a_number_of_a_budget() -> None:
    file = budgets.load()
    numbers = {*file.shares.values(), *file.objectives.values()}
    for panel in all_panels():
        for target in panel["targets"]:
            rest = re.sub(r"histogram_quantile\([\d.]+,", "", target["expr"])
            # Shares of one, and minutes.
            rest = re.sub(r'"[^"]*"|\b1 - |\b60 \* ', "", rest)
            found = {
                float(number)
                for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", rest)
            }
            assert not found & numbers, (panel["title"], target["expr"])
        if "turn_stage" in panel["targets"][0]["expr"]:
            assert "thresholds" not in panel["fieldConfig"]["defaults"]


@pytest.mark.parametrize("share", [*budgets.load().shares])
def test_what_each_share_may_take_is_drawn_beside_what_it_took(share: str) -> None:
    limit = f'antiphon_budget_seconds{{route="default",share="{share}"}}'
    measured = (
        "response_latency"
        if share == "total"
        else f'turn_stage_seconds_bucket{{stage="{share}"'
    )
    beside = [
        panel
        for panel in all_panels()
        if any(limit in target["expr"] for target in panel["targets"])
        and any(measured in target["expr"] for target in panel["targets"])
    ]
    assert beside
    for panel in beside:
        dashed = [
            override
            for override in panel["fieldConfig"]["overrides"]
            if any(prop["id"] == "custom.lineStyle" for prop in override["properties"])
        ]
        legends = [t["legendFormat"] for t in panel["targets"] if limit in t["expr"]]
        assert all(
            re.match(dashed[0]["matcher"]["options"].strip("/"), name)
            for name in legends
        )


def test_every_panel_says_what_it_means_and_in_which_unit() -> None:
    for panel in all_panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"] != "__auto" or target["format"] == "table"


def test_panels_fill_the_grid_and_none_lies_on_another() -> None:
    for document in documents():
        cells: set[tuple[int, int]] = set()
        for panel in document["panels"]:
            at = panel["gridPos"]
            taken = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert not taken & cells, panel["title"]
            cells |= taken
        lowest = max(y for _, y in cells)
        assert cells == {(x, y) for x in range(COLUMNS) for y in range(lowest + 1)}
        numbers = [panel["id"] for panel in document["panels"]]
        assert len(numbers) == len(set(numbers))


def test_variables_of_all_queries_are_there() -> None:
    for document in documents():
        there = {variable["name"] for variable in document["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(document["panels"])))
        assert {"datasource", "instance"} <= there
        assert used - there <= {"__range", "__url_time_range"}


def test_a_click_on_a_share_leads_to_a_page_that_there_is() -> None:
    assert set(panels.PAGES) == set(labels.SHARES)
    assert {f"{uid}.json" for uid in panels.PAGES.values()} <= set(pages.every())


def test_what_leads_to_a_trace_is_called_as_exemplars_call_it() -> None:
    provisioned = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/antiphon.yaml").read_text()
    )
    prometheus, jaeger = provisioned["datasources"]
    ways = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    with TracerProvider().get_tracer("test").start_as_current_span("turn") as span:
        assert set(tracing.exemplar(span) or {}) == {way["name"] for way in ways}
    assert ways[0]["datasourceUid"] == jaeger["uid"]
    latency = [
        p
        for p in all_panels()
        if "response_latency_seconds_bucket" in p["targets"][0]["expr"]
    ]
    assert latency
    assert all(
        any(target["exemplar"] for target in panel["targets"]) for panel in latency
    )


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    provisioned = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/antiphon.yaml").read_text()
    )
    scraping = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    interval = provisioned["datasources"][0]["jsonData"]["timeInterval"]
    assert interval == scraping["global"]["scrape_interval"]


def test_shares_have_the_colours_of_the_web_page() -> None:
    css = (ROOT / "gateway/page/css/base.css").read_text()
    for share in labels.SHARES:
        assert f"--{share}: {panels.COLOURS[share]};" in css
