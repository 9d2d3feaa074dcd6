"""What of the Kubernetes manifests is made from the rules, and what they ask Prometheus."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes import rules
from deploy.prometheus import queries
from services.runtime.telemetry import page
from tests.observability.prometheus import needs_prometheus

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPONENTS = DEPLOY / "kubernetes" / "components"
SCALED = list(
    yaml.safe_load_all((COMPONENTS / "production" / "autoscaling.yaml").read_text())
)
NAMES = [scaled["metadata"]["name"] for scaled in SCALED]


def trigger(scaled: dict[str, Any]) -> dict[str, str]:
    (only,) = scaled["spec"]["triggers"]
    return dict(only["metadata"])


def test_the_committed_rules_are_what_is_made_of_prometheus_own() -> None:
    assert rules.MANIFEST.read_text() == rules.manifest(), (
        "run: python -m deploy.kubernetes"
    )


def test_a_rule_says_the_same_to_the_operator_as_to_prometheus() -> None:
    made = {
        document["metadata"]["name"]: document["spec"]
        for document in yaml.safe_load_all(rules.manifest())
    }
    assert made == {
        f"antiphon-{path.stem}": yaml.safe_load(path.read_text())
        for path in rules.RULES.glob("*.yml")
    }


@pytest.mark.parametrize("scaled", SCALED, ids=NAMES)
def test_an_autoscaler_asks_for_metrics_that_there_are(scaled: dict[str, Any]) -> None:
    exported = {page.exported_name(metric) for metric in page.metrics_listed()}
    asked = {selector.name for selector in queries.selectors(trigger(scaled)["query"])}
    assert asked
    assert asked <= exported


def open_and_carried(job: str, replicas: list[tuple[int, int]]) -> list[dict[str, str]]:
    """Series of two minutes in which each replica had so many streams open, of so many that it carries."""
    return [
        {
            "series": f'antiphon_streams_{what}{{namespace="antiphon",job="{job}",instance="{number}"}}',
            "values": f"{value}+0x8",
        }
        for number, pair in enumerate(replicas)
        for what, value in zip(("open", "capacity"), pair, strict=True)
    ]


@needs_prometheus
@pytest.mark.parametrize("scaled", SCALED, ids=NAMES)
@pytest.mark.parametrize(
    ("replicas", "worth"),
    [
        pytest.param([(8, 8), (4, 8)], 1.5, id="one full and one half full"),
        pytest.param([(8, 8), (0, 0)], 1.0, id="one full and one that loads"),
        pytest.param([(0, 8), (0, 8)], 0.0, id="nobody speaks"),
        pytest.param([], None, id="nothing is scraped"),
    ],
)
def test_an_autoscaler_goes_by_how_many_replicas_worth_of_streams_are_open(
    scaled: dict[str, Any],
    replicas: list[tuple[int, int]],
    worth: float | None,
    tmp_path: Path,
) -> None:
    expected = [] if worth is None else [{"labels": "{}", "value": worth}]
    job = f"antiphon-{scaled['spec']['scaleTargetRef']['name']}"
    test = {
        "rule_files": [],
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    *open_and_carried(job, replicas),
                    # Somebody else's, which are not to be counted.
                    *open_and_carried("antiphon-other", [(5, 5)]),
                ],
                "promql_expr_test": [
                    {
                        "expr": trigger(scaled)["query"],
                        "eval_time": "2m",
                        "exp_samples": expected,
                    }
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_collector_is_the_one_that_compose_starts() -> None:
    compose = yaml.safe_load(
        (DEPLOY / "observability" / "compose.yaml").read_text(encoding="utf-8")
    )
    pods = [
        document["spec"]["template"]["spec"]
        for document in yaml.safe_load_all(
            (COMPONENTS / "observability" / "collector.yaml").read_text()
        )
        if document["kind"] == "Deployment"
    ]
    (container,) = (container for pod in pods for container in pod["containers"])
    assert container["image"] == compose["services"]["otel-collector"]["image"]


def test_every_dashboard_goes_into_a_config_map_of_its_own() -> None:
    generators = yaml.safe_load((DEPLOY / "grafana" / "kustomization.yaml").read_text())
    files = [generator["files"] for generator in generators["configMapGenerator"]]
    assert sorted(files) == sorted(
        [f"dashboards/{path.name}"]
        for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")
    )
