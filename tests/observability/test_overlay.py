"""What is started beside the pipeline fits together: files, ports, names, versions; nothing but this machine reaches it."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from antiphon.cli.parts import PARTS
from services.runtime.telemetry import names

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "observability"
Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Knows compose's mark for what an overlay takes away."""


_Loader.add_constructor("!reset", lambda loader, node: None)


def read(path: Path) -> Json:
    document = yaml.load(path.read_text(), _Loader)
    assert isinstance(document, dict)
    return document


def services(name: str) -> dict[str, Json]:
    found = read(FOLDER / name)["services"]
    assert isinstance(found, dict)
    return found


BASE = services("compose.yaml")
LINUX = services("compose.linux.yaml")
COLLECTOR = read(DEPLOY / "otel-collector" / "config.yaml")
JAEGER = read(FOLDER / "jaeger.yaml")


@pytest.mark.parametrize("name", BASE)
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(
        r"[\w.-]+\.[a-z]+/[\w./-]+:v?\d+\.\d+\.\d+", BASE[name]["image"]
    )


@pytest.mark.parametrize("name", BASE)
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    assert BASE[name]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in BASE[name]["ports"])


@pytest.mark.parametrize("name", BASE)
def test_containers_may_write_to_their_volumes_alone(name: str) -> None:
    service = BASE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    for volume in service["volumes"]:
        if volume.startswith("."):
            assert volume.endswith(":ro")


@pytest.mark.parametrize("overlay", [BASE, LINUX], ids=["base", "linux"])
def test_what_is_mounted_is_there(overlay: dict[str, Json]) -> None:
    mounted = [
        volume.split(":")[0]
        for service in overlay.values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert mounted
    for path in mounted:
        assert (FOLDER / path).exists(), path


def test_volumes_that_are_named_are_declared() -> None:
    used = {
        volume.split(":")[0]
        for service in BASE.values()
        for volume in service["volumes"]
        if not volume.startswith(".")
    }
    assert used == set(read(FOLDER / "compose.yaml")["volumes"])


def test_on_linux_all_listen_on_the_machines_loopback() -> None:
    assert LINUX.keys() == BASE.keys()
    for name, service in LINUX.items():
        assert service["network_mode"] == "host", name
        assert service["ports"] is None, name
    assert "--web.listen-address=127.0.0.1:9090" in LINUX["prometheus"]["command"]
    assert LINUX["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert LINUX["otel-collector"]["environment"]["COLLECTOR_HOST"] == "127.0.0.1"
    assert LINUX["jaeger"]["environment"]["JAEGER_HOST"] == "127.0.0.1"


def test_on_linux_prometheus_is_started_as_elsewhere() -> None:
    base, linux = BASE["prometheus"]["command"], LINUX["prometheus"]["command"]
    assert linux[: len(base)] == base
    assert "--enable-feature=exemplar-storage" in base


@pytest.mark.parametrize("targets", ["targets.yml", "targets/host.yml"])
def test_prometheus_finds_every_process_that_counts_something(targets: str) -> None:
    ports = {
        f"antiphon-{part.name}": str(dict(part.ports)["metrics_port"])
        for part in PARTS
        if "metrics_port" in dict(part.ports)
    }
    found = yaml.safe_load((DEPLOY / "prometheus" / targets).read_text())
    assert {
        group["labels"]["job"]: group["targets"][0].rpartition(":")[2]
        for group in found
    } == ports


def test_grafana_starts_with_a_dashboard_that_is_there() -> None:
    home = BASE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana" / "dashboards" / Path(home).name).exists()
    provider = read(DEPLOY / "grafana/provisioning/dashboards/antiphon.yaml")[
        "providers"
    ][0]
    assert provider["options"]["path"] == os.path.dirname(home)
    assert (
        f"../grafana/dashboards:{os.path.dirname(home)}:ro"
        in BASE["grafana"]["volumes"]
    )


def test_addresses_that_grafana_is_given_are_those_that_data_sources_ask_for() -> None:
    sources = read(DEPLOY / "grafana/provisioning/datasources/antiphon.yaml")[
        "datasources"
    ]
    base, linux = (overlay["grafana"]["environment"] for overlay in (BASE, LINUX))
    for source in sources:
        assert source["url"].removeprefix("$") in base.keys() & linux.keys()
    page = sources[0]["jsonData"]["exemplarTraceIdDestinations"][1]["url"]
    assert page.removeprefix("$").partition("/")[0] in base


@pytest.mark.parametrize("config", [COLLECTOR, JAEGER], ids=["collector", "jaeger"])
def test_pipelines_are_made_of_what_is_configured(config: Json) -> None:
    assert set(config["service"]["extensions"]) == set(config["extensions"])
    pipeline = config["service"]["pipelines"]["traces"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == set(config[kind])


def test_the_collector_guards_its_memory_first_and_batches_last() -> None:
    assert COLLECTOR["service"]["pipelines"]["traces"]["processors"] == [
        "memory_limiter",
        "tail_sampling",
        "batch",
    ]
    assert BASE["otel-collector"]["mem_limit"]


def test_the_collector_keeps_turns_by_the_attributes_that_the_gateway_writes() -> None:
    policies = {
        policy["name"]: policy
        for policy in COLLECTOR["processors"]["tail_sampling"]["policies"]
    }
    condition = policies["late-turns"]["ottl_condition"]["span"]
    assert condition == [f'attributes["{names.OVERRUNS}"] != nil']
    assert policies["failures"]["status_code"]["status_codes"] == ["ERROR"]
    requests, _ = policies["long-requests"]["and"]["and_sub_policy"]
    assert requests["string_attribute"]["key"] == names.HTTP_ROUTE


def test_a_policy_has_the_fields_of_its_type() -> None:
    policies = COLLECTOR["processors"]["tail_sampling"]["policies"]
    policies = [*policies, *policies[2]["and"]["and_sub_policy"]]
    for policy in policies:
        assert set(policy) == {"name", "type", policy["type"]}


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_a_trace_is_decided_after_its_turn_and_the_last_spans_of_it() -> None:
    sampling = COLLECTOR["processors"]["tail_sampling"]
    # BatchSpanProcessor: a process that has just sent its spans sends the next ones after this long.
    between_exports = 5
    assert seconds(sampling["decision_wait_after_root_received"]) > 2 * between_exports
    assert seconds(sampling["decision_wait"]) > seconds(
        sampling["decision_wait_after_root_received"]
    )
    cache = sampling["decision_cache"]
    assert min(cache.values()) > sampling["num_traces"]


def test_what_is_kept_reaches_jaeger_where_it_listens() -> None:
    port = JAEGER["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert port.endswith("${env:JAEGER_OTLP_PORT:-4317}")
    assert BASE["otel-collector"]["environment"]["TRACES_ENDPOINT"] == "jaeger:4317"
    there = LINUX["jaeger"]["environment"]["JAEGER_OTLP_PORT"]
    assert (
        LINUX["otel-collector"]["environment"]["TRACES_ENDPOINT"]
        == f"127.0.0.1:{there}"
    )
