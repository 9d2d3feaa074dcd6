"""docs/telemetry.md is what the modules say, and they say it of everything."""

from enum import Enum
from pathlib import Path

import pytest

from antiphon.v1 import conversation_pb2, llm_pb2, stt_pb2, tts_pb2
from gateway.conversation import values
from gateway.conversation.waterfall import SHARES
from gateway.observing.counting import LOST
from services.llm.upstreams import Outcome
from services.runtime.telemetry import labels, metrics, names, page
from services.stt.job import Work

PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"


def test_the_page_is_what_the_modules_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page.render(), (
        "python -m services.runtime.telemetry.page docs/telemetry.md"
    )


def test_every_metric_says_what_it_tells_and_has_a_line() -> None:
    listed = list(page.metrics_listed())
    assert len(listed) > 30
    for metric in listed:
        (family,) = metric.describe()
        assert family.documentation
        assert f"| `{page.exported_name(metric)}` | {family.type} |" in page.render()


def test_every_name_says_what_it_tells_and_has_a_line() -> None:
    listed = list(page.names_listed())
    assert {type(name) for name in listed} == {
        names.SpanName,
        names.Attribute,
        names.Event,
    }
    for name in listed:
        assert name.about and name.on
        assert f"| `{name}` | {name.on} | {name.about} |" in page.render()


def test_no_cell_breaks_its_table() -> None:
    for name in page.names_listed():
        assert "|" not in name.on + name.about
    for metric in page.metrics_listed():
        (family,) = metric.describe()
        assert "|" not in family.documentation and "\n" not in family.documentation


@pytest.mark.parametrize("metric", list(page.metrics_listed()), ids=page.exported_name)
def test_every_label_is_said_what_it_may_be(metric: labels.Metric) -> None:
    if metric not in labels.OF:
        # What has no labels can be read without naming any.
        assert next(iter(metric.collect())).samples[0].labels.keys() <= {"le"}
        return
    # Wrong names are refused.
    metric.labels(**dict.fromkeys(labels.OF[metric], "nobody"))
    metric.remove(*["nobody"] * len(labels.OF[metric]))


@pytest.mark.parametrize(
    ("documented", "code"),
    [
        (labels.TURN_OUTCOMES, values.Outcome),
        (labels.SPECULATIONS, values.Speculated),
        (labels.STAGES, values.Stage),
        (labels.ATTEMPTS, Outcome),
        (labels.TRANSCRIPTS, Work),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_closed_sets_are_those_of_the_code(
    documented: labels.Values, code: type[Enum]
) -> None:
    assert set(documented) == {member.value for member in code}


def test_conversations_end_in_the_ways_of_the_code_or_are_lost() -> None:
    assert set(labels.OF[metrics.CONVERSATIONS]["ending"]) == {
        LOST,
        *(ending.value for ending in values.Ending),
    }


def test_shares_are_those_of_the_waterfall() -> None:
    assert tuple(labels.SHARES) == SHARES


def test_methods_are_those_of_the_contract() -> None:
    services = [
        file.DESCRIPTOR.services_by_name.values()
        for file in (conversation_pb2, llm_pb2, stt_pb2, tts_pb2)
    ]
    assert set(labels.METHODS) == {
        method.name
        for every in services
        for service in every
        for method in service.methods
    }


def test_closed_sets_begin_at_zero_and_open_ones_must_be_named() -> None:
    labels.at_zero(metrics.UPSTREAM_ATTEMPTS, upstream="test-at-zero")
    try:
        began = {
            sample.labels["outcome"]: sample.value
            for family in metrics.UPSTREAM_ATTEMPTS.collect()
            for sample in family.samples
            if sample.labels["upstream"] == "test-at-zero"
        }
    finally:
        metrics.UPSTREAM_ATTEMPTS.remove_by_labels({"upstream": "test-at-zero"})
    assert began == dict.fromkeys(labels.ATTEMPTS, 0.0)
    with pytest.raises(ValueError, match="upstream: is name of an upstream"):
        labels.at_zero(metrics.UPSTREAM_ATTEMPTS)
