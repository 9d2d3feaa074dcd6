"""Rules and alerts: promtool's own tests, and what it does not look at."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from antiphon.cli.parts import PARTS
from deploy.prometheus import check
from deploy.prometheus.queries import (
    HERE,
    Query,
    Selector,
    of_rules,
    recorded,
    rules,
    selectors,
)
from services.runtime.telemetry import labels, page
from tests.observability.prometheus import needs_prometheus

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
TESTS = sorted((HERE / "tests").glob("*.yml"))
ALERTS: list[dict[str, Any]] = [dict(rule) for _, rule in rules() if "alert" in rule]
SETS = {page.exported_name(metric): sets for metric, sets in labels.OF.items()}
UNLABELLED = {page.exported_name(metric) for metric in page.metrics_listed()}


def promtool(*arguments: object) -> None:
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def family(series: str) -> str:
    """What a series is called where metrics are listed."""
    return re.sub(r"_(bucket|sum|count)$", "", series)


@needs_prometheus
def test_promtool_takes_the_configurations_and_all_rules() -> None:
    promtool("check", "config", HERE / "prometheus.yml")
    promtool("check", "config", HERE / "compose.yml")
    promtool("check", "rules", *sorted((HERE / "rules").glob("*.yml")))


@needs_prometheus
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    promtool("test", "rules", path)


def test_every_rule_is_loaded_by_some_test_and_every_alert_fires_in_one() -> None:
    assert TESTS
    texts = [path.read_text() for path in TESTS]
    loaded = {name for text in texts for name in yaml.safe_load(text)["rule_files"]}
    assert {f"../rules/{path.name}" for path, _ in rules()} == loaded
    for alert in ALERTS:
        fires = (
            f'alertname="{alert["alert"]}", severity="{alert["labels"]["severity"]}"'
        )
        pages = f'alertname="{alert["alert"]}"}}'
        assert any(fires in text or pages in text for text in texts), alert["alert"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_whom_to_wake_and_where_to_look(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    assert "Look first" in alert["annotations"]["description"] or name in (
        "AntiphonStageNearlyFull",
    )
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    assert f"\n### {name}\n" in RUNBOOK


def test_the_runbook_is_about_alerts_that_there_are() -> None:
    about = re.findall(r"^### (Antiphon\w+)$", RUNBOOK, flags=re.MULTILINE)
    assert sorted(about) == sorted({alert["alert"] for alert in ALERTS})


def test_rules_ask_for_metrics_labels_and_values_that_there_are() -> None:
    known = check.OF_PROMETHEUS | recorded() | {"process_start_time_seconds"}
    asked = {s for query in of_rules() for s in selectors(query.expression)}
    assert len(asked) > 20
    for selector in asked:
        name = family(selector.name)
        if selector.name in known:
            continue
        assert name in UNLABELLED, selector
        for label, operator, value in selector.matchers:
            if label in check.OF_TARGETS:
                continue
            there = SETS[name][label]
            wanted = value.split("|") if operator.endswith("~") else [value]
            if not isinstance(there, labels.AsConfigured):
                assert set(wanted) <= set(there), (selector, label)


def test_a_recorded_series_looks_back_as_far_as_its_name_says() -> None:
    named = 0
    for _, rule in rules():
        if found := re.search(r"(?:[a-z_]|^)(\d+[mhd])$", rule.get("record", "")):
            named += 1
            looks_back = set(re.findall(r"\[(\w+)\]", rule["expr"]))
            looks_back |= set(
                re.findall(r"antiphon:\w+:\w*?(\d+[mhd])\b", rule["expr"])
            )
            assert looks_back <= {found.group(1)}, rule["record"]
    assert named > 30


def test_what_expressions_ask_for_is_found() -> None:
    asked = selectors(
        'label_replace(rate(a_bucket{job=~"x{2}|y",b!=\'q"\'}[$__range]), "up", "$1", "", "") > bool 1e3'
        " + sum by (le, c) (d offset 5m) and on (x) group_left () e unless vector(0) or f:g:rate5m"
    )
    assert asked == {
        Selector("a_bucket", (("job", "=~", "x{2}|y"), ("b", "!=", 'q"'))),
        Selector("d"),
        Selector("e"),
        Selector("f:g:rate5m"),
    }
    variable = 'label_values(up{job=~"${job:regex}"}, instance)'
    assert selectors(variable) == {Selector("up", (("job", "=~", "0"),))}


def test_what_nobody_exports_is_told_with_where_it_is_asked_for() -> None:
    exported = check.read(
        "# TYPE antiphon_turns_total counter\n"
        'antiphon_turns_total{outcome="failed"} 0\n'
        "# TYPE antiphon_wait_seconds histogram\n"
    )
    asked = [
        Query("one", 'rate(antiphon_turns_total{outcome="failed",job="x"}[5m])'),
        Query("two", 'antiphon_turns_total{ending="failed"}'),
        Query("three", "antiphon_turns"),
        Query("four", 'antiphon_wait_seconds_bucket{stage="tts"} + up'),
    ]
    assert check.missing(asked, check.OF_PROMETHEUS, exported) == [
        "three: nobody exports antiphon_turns",
        "two: antiphon_turns_total has no label ending",
    ]
    text = "| `antiphon_turns_total` | counter |"
    assert check.undocumented(exported, text) == [
        "telemetry.md: says nothing of antiphon_wait_seconds"
    ]


def test_targets_are_the_processes_on_the_ports_that_they_take() -> None:
    wanted = {
        f"antiphon-{part.name}": dict(part.ports)["metrics_port"]
        for part in PARTS
        if "metrics_port" in dict(part.ports)
    }
    files = [HERE / "targets.yml", *(HERE / "targets").glob("*.yml")]
    assert len(files) > 1
    for path in files:
        assert {
            group["labels"]["job"]: int(target.rsplit(":", 1)[1])
            for group in yaml.safe_load(path.read_text())
            for target in group["targets"]
        } == wanted, path
