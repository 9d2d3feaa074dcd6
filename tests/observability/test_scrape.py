"""A real Prometheus scrapes the real processes, before and after one spoken turn."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from antiphon.cli.parts import PARTS
from antiphon.v1 import conversation_pb2 as pb
from deploy.prometheus import check, queries
from tests.e2e.talking import talking
from tests.fakes.otlp import Receiver, receiving
from tests.fakes.upstream import says, scripted_upstream
from tests.microphone import QUESTIONS, recording
from tests.observability.prometheus import Prometheus, needs_prometheus, prometheus
from tests.observability.test_dashboards import all_panels, as_grafana_asks
from tests.stack import stack

pytestmark = [needs_prometheus, pytest.mark.asyncio(loop_scope="session")]

COUNTING = {
    part.name: dict(part.ports)["metrics_port"]
    for part in PARTS
    if "metrics_port" in dict(part.ports)
}
"""The port of metrics that each process takes."""
JOBS = {f"antiphon-{name}" for name in COUNTING}
ENGINES = {"stt", "tts"}
"""Stages that compute by themselves."""


@dataclass
class Observed:
    """What there is after a turn.

    Attributes:
        prometheus: that has scraped since before it.
        urls: of every process' metrics.
        receiver: of the spans.
        began: when Prometheus was started.
        ended: when the turn had ended.
    """

    prometheus: Prometheus
    urls: list[str]
    receiver: Receiver
    began: datetime
    ended: datetime


def host_of(url: str) -> str:
    return urlsplit(url).netloc


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def observed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observed]:
    async with receiving() as receiver, scripted_upstream() as upstream:
        upstream.answers.append(says("It is Paris."))
        environment = {
            "ANTIPHON_LLM_UPSTREAMS": json.dumps(
                [{"name": "scripted", "base_url": upstream.url}]
            ),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        }
        async with stack(environment, without=("llm-local",)) as running:
            urls = {
                name: running.url(name, "metrics_port", "/metrics") for name in COUNTING
            }
            addresses = {
                f"127.0.0.1:{port}": host_of(urls[name])
                for name, port in COUNTING.items()
            }
            began = datetime.now(UTC)
            async with prometheus(
                tmp_path_factory.mktemp("prometheus"), addresses
            ) as scraping:
                # What is counted before the first scrape is no increase.
                await scraping.until_series("up == 1", len(COUNTING))
                async with talking(running.gateway) as talker:
                    turn = await talker.ask(recording(QUESTIONS[2]))
                assert turn.ended.outcome == pb.TURN_OUTCOME_ANSWERED
                yield Observed(
                    scraping, list(urls.values()), receiver, began, datetime.now(UTC)
                )


async def test_every_process_is_scraped_under_the_job_of_its_part(
    observed: Observed,
) -> None:
    found = await observed.prometheus.query("up")
    assert {labels["job"]: value for labels, value in found} == dict.fromkeys(JOBS, 1.0)
    assert {labels["instance"] for labels, _ in found} == {
        host_of(url) for url in observed.urls
    }


async def test_every_rule_evaluates(observed: Observed) -> None:
    def rules(data: Any) -> list[dict[str, Any]]:
        return [rule for group in data["groups"] for rule in group["rules"]]

    def evaluated(rule: dict[str, Any]) -> bool:
        return datetime.fromisoformat(rule["lastEvaluation"]) > observed.ended

    # Series that do not match are an error only once there are some.
    data = await observed.prometheus.until(
        "rules", lambda data: all(map(evaluated, rules(data)))
    )
    assert len(rules(data)) == len(list(queries.rules()))
    assert [rule for rule in rules(data) if rule["health"] != "ok"] == []


async def test_a_turn_moves_what_the_objectives_go_by(observed: Observed) -> None:
    scraping = observed.prometheus
    good = await scraping.until_series("antiphon:turns_good:ratio_rate5m >= 0", 2)
    shares = {labels["objective"]: value for labels, value in good}
    assert shares["answered"] == 1.0
    assert 0.0 <= shares["within_budget"] <= 1.0
    limits = await scraping.query('antiphon:turns_burn:limit{window="1h"}')
    assert {labels["objective"] for labels, _ in limits} == set(shares)
    quantiles = await scraping.until_series(
        'antiphon:turn_seconds:quantile5m{quantile="0.5"} >= 0', 6
    )
    assert {labels["stage"] for labels, _ in quantiles} == {
        labels["stage"]
        for labels, _ in await scraping.query("antiphon:turn_budget:seconds")
    }


@pytest.mark.parametrize(
    ("expression", "label", "wanted"),
    [
        ("antiphon:streams_taken:ratio5m >= 0", "job", JOBS),
        ("antiphon:loop_lag_seconds:p99_5m >= 0", "job", JOBS),
        ("antiphon:streams_refused:increase5m == 0", "job", JOBS),
        ("antiphon:queue_wait_seconds:p95_5m >= 0", "stage", ENGINES),
        ("antiphon:compute_seconds:p95_5m > 0", "stage", ENGINES),
        ("antiphon:real_time_factor:p95_5m > 0", "stage", ENGINES),
        ('antiphon:batch_size:mean5m{work!="voice"} >= 1', "stage", ENGINES),
        ("antiphon:upstream_failures:ratio_rate5m == 0", "upstream", {"scripted"}),
        ("antiphon:turn_overruns:ratio_rate5m{stage='total'} >= 0", "stage", {"total"}),
    ],
)
async def test_a_turn_shows_in_what_is_recorded_of_every_stage(
    observed: Observed, expression: str, label: str, wanted: set[str]
) -> None:
    found = await observed.prometheus.until_series(expression, len(wanted))
    assert {labels[label] for labels, _ in found} == wanted


async def test_nothing_that_alerts_go_by_is_missing(observed: Observed) -> None:
    waiting = await observed.prometheus.query(
        'ALERTS{alertname=~"Antiphon(Blind|StageGone|TargetDown|UpstreamLeftAlone|NoUpstream)"}'
    )
    assert [labels["alertname"] for labels, _ in waiting] == []


async def test_rules_dashboards_and_the_page_agree_with_what_is_exported(
    observed: Observed,
) -> None:
    assert await asyncio.to_thread(check.check, observed.urls) == []


async def test_every_panel_has_something_to_show_after_a_turn(
    observed: Observed,
) -> None:
    # The page of the gateway draws HTTP requests, of which there were none.
    # What was counted for the first time is a rate from its second scrape on.
    twice = observed.ended.timestamp() + 3.0
    await observed.prometheus.until_series(f"timestamp(up) > {twice}", len(COUNTING))
    for panel in all_panels():
        asked = [as_grafana_asks(target["expr"]) for target in panel["targets"]]
        answers = [await observed.prometheus.query(query) for query in asked]
        idle = "antiphon_http_request" in asked[0]
        assert any(answers) or idle, (panel["title"], asked)


async def test_a_turns_latency_leads_to_its_trace(observed: Observed) -> None:
    found = await observed.prometheus.until(
        "query_exemplars",
        lambda data: len(data) > 0,
        query="antiphon_response_latency_seconds_bucket",
        start=observed.began.isoformat(),
        end=(observed.ended + timedelta(hours=1)).isoformat(),
    )
    told = {e["labels"]["trace_id"] for series in found for e in series["exemplars"]}
    traces = set()
    while not told & traces:
        # A batch of spans leaves its process seconds after the last of them.
        async with asyncio.timeout(30):
            service, span = await observed.receiver.spans.get()
        if (service, span.name) == ("antiphon-gateway", "turn"):
            traces.add(span.trace_id.hex())
    assert told <= traces
