"""docs/telemetry.md and the modules name the same things."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from services.runtime.telemetry import metrics

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()


def test_the_page_lists_every_metric_with_its_labels_and_no_other() -> None:
    rows = dict(
        re.findall(r"^\| `(antiphon_\w+)` \| (.*?) \|", PAGE, flags=re.MULTILINE)
    )
    ours = [
        metric
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    named = {
        metric._name + ("_total" if metric._type == "counter" else ""): sorted(
            metric._labelnames
        )
        for metric in ours
    }
    assert {
        name: sorted(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()
    } == named


def test_the_page_lists_every_attribute() -> None:
    listed = [value for value in vars(names).values() if isinstance(value, names.Name)]
    assert listed
    for name in listed:
        assert name in PAGE, name
