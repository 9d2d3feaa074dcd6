"""The compose files fit together and with what they start: names, ports, folders, limits."""

import re
from pathlib import Path

import pytest
import yaml

from antiphon.cli.parts import PARTS
from deploy.compose.settings import SERVICES
from tests.unit.compose.files import FOLDER, MAIN, OVERLAYS, ROOT, read, services

PROMETHEUS = ROOT / "deploy" / "prometheus"


def test_compose_starts_all_processes() -> None:
    assert services(MAIN).keys() == {part.name for part in PARTS}


def test_processes_listen_where_others_look_for_them() -> None:
    for part in PARTS:
        environment = services(MAIN)[part.name]["environment"]
        for name, port in part.ports:
            assert environment[part.variable(name)] == str(port)
        assert environment[part.variable("host")] == "0.0.0.0"
    asked = services(MAIN)["gateway"]["environment"]
    for part in PARTS:
        if part.name in ("stt", "llm", "tts"):
            address = f"dns:///{part.name}:{dict(part.ports)['port']}"
            assert asked[f"ANTIPHON_GATEWAY_{part.name}".upper()] == address


def test_a_process_starts_after_those_that_it_needs() -> None:
    for part in PARTS:
        awaited = services(MAIN)[part.name].get("depends_on", {})
        assert awaited == {
            name: {"condition": "service_healthy"} for name in part.after
        }


@pytest.mark.parametrize("name", services(MAIN))
def test_containers_may_do_no_more_than_they_must(name: str) -> None:
    service = services(MAIN)[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] and service["pids_limit"]
    for volume in service["volumes"]:
        assert isinstance(volume, str) or volume["read_only"] is True


@pytest.mark.parametrize("name", services(MAIN))
def test_nobody_but_the_gateway_is_published_and_that_on_loopback(name: str) -> None:
    ports = services(MAIN)[name].get("ports", [])
    assert bool(ports) == (name == "gateway")
    assert all(port.startswith("${ANTIPHON_BIND:-127.0.0.1}:") for port in ports)


def test_what_stages_hear_and_say_stays_on_a_network_that_leads_nowhere() -> None:
    assert read(MAIN)["networks"]["stages"] == {"internal": True}
    networks = {name: service["networks"] for name, service in services(MAIN).items()}
    for name in ("stt", "tts", "llm-local"):
        assert networks[name] == ["stages"]
    # A name that two share on two networks would stand for two addresses of one container.
    assert set(networks["gateway"]) & set(networks["llm"]) == {"stages"}


def test_processes_have_longer_to_stop_than_they_take_to_drain() -> None:
    (grace,) = {service["stop_grace_period"] for service in services(MAIN).values()}
    (seconds,) = re.findall(r"^\$\{ANTIPHON_STOP_GRACE:-(\d+)s\}$", grace)
    for service in SERVICES:
        drain = service.settings.model_fields.get("drain_seconds")
        assert drain is None or drain.default < int(seconds)


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_change_services_that_are_there(path: Path) -> None:
    assert services(path).keys() <= services(MAIN).keys()


def test_files_of_settings_name_servers_that_are_there() -> None:
    found = sorted((FOLDER / "config").glob("*.yaml"))
    assert found
    for path in found:
        for upstream in read(path)["llm"]["upstreams"]:
            assert upstream["base_url"] == "http://llm-local:8081/v1"


def test_both_files_that_make_the_network_of_stages_agree() -> None:
    made = read(FOLDER / "prometheus.yaml")["networks"]["stages"]
    assert made == read(MAIN)["networks"]["stages"]


def test_prometheus_scrapes_all_replicas_of_whoever_counts_something() -> None:
    config = yaml.safe_load((PROMETHEUS / "compose.yml").read_text())
    looked_up = {}
    for job in config["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        assert found["type"] == "A"
        looked_up[job["job_name"]] = (found["names"], found["port"])
    assert looked_up == {
        f"antiphon-{part.name}": ([part.name], dict(part.ports)["metrics_port"])
        for part in PARTS
        if "metrics_port" in dict(part.ports)
    }


def test_prometheus_does_the_same_with_what_it_scrapes_as_beside_a_pipeline() -> None:
    ours, usual = (
        yaml.safe_load((PROMETHEUS / name).read_text())
        for name in ("compose.yml", "prometheus.yml")
    )
    assert ours["global"] == usual["global"]
    assert ours["rule_files"] == usual["rule_files"]
    (scraping,) = usual["scrape_configs"]
    for job in ours["scrape_configs"]:
        assert job["metric_relabel_configs"] == scraping["metric_relabel_configs"]


def test_all_processes_that_have_spans_send_them_to_the_collector() -> None:
    sending = {
        name
        for name, service in services(FOLDER / "observability.yaml").items()
        if "otel-collector:4317"
        in service["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    }
    assert sending == services(MAIN).keys() - {"llm-local"}
