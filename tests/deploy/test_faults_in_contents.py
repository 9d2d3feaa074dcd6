"""Every rule about what processes are told, and what is told of them, finds the fault that it is for."""

import pytest

from tests.deploy.faults import GONE, MAIN, SOUND, Fault, planted, titles
from tests.deploy.manifests import render
from tests.deploy.rules import contents, variables

FAULTS = [
    Fault(
        variables.ports_are_where_the_process_listens,
        "Deployment/stt",
        f"{MAIN}.ports.0.containerPort",
        50061,
        "port grpc is 50061, and it listens on ['50051']",
    ),
    Fault(
        variables.variables_are_settings,
        "Deployment/stt",
        f"{MAIN}.env.0.name",
        "ANTIPHON_STT_DRAIN",
        "ANTIPHON_STT_DRAIN is no setting",
    ),
    Fault(
        variables.variables_are_settings,
        "Deployment/stt",
        f"{MAIN}.env.0.name",
        "ANTIPHON_TTS_DRAIN_SECONDS",
        "is another process's",
    ),
    Fault(
        contents.watched_is_watched_whole,
        "PrometheusRule/antiphon-stages",
        "spec.groups.0.rules.0.expr",
        "vector(1)",
        "group antiphon-failures is not as in rules/",
    ),
    Fault(
        contents.scalers_ask_for_what_there_is,
        "ScaledObject/llm",
        "spec.triggers.0.metadata.query",
        'sum(antiphon_streams{job="antiphon-proxy"})',
        "nobody exports antiphon_streams",
    ),
    Fault(
        contents.scalers_ask_for_what_there_is,
        "ScaledObject/llm",
        "spec.triggers.0.metadata.query",
        'sum(antiphon_streams_open{job="antiphon-proxy"})',
        "no job is called antiphon-proxy",
    ),
    Fault(
        contents.named_files_are_there,
        "Deployment/llm",
        f"{MAIN}.env",
        [{"name": "ANTIPHON_CONFIG", "value": "/etc/antiphon/gemini.yaml"}],
        "gemini.yaml is nowhere",
    ),
    Fault(
        contents.traces_go_to_somebody,
        "Service/otel-collector",
        "spec.ports.0.port",
        4318,
        "is no Service of these",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=titles(FAULTS))
def test_a_planted_fault_is_found(fault: Fault) -> None:
    found = planted(fault)
    assert any(fault.complaint in each for each in found), found


def test_a_file_that_is_not_as_it_stands_is_found() -> None:
    sound = render(SOUND)
    [carried] = [c for c in sound.of("ConfigMap") if "config.yaml" in c["data"]]
    fault = Fault(
        contents.configuration_is_current,
        f"ConfigMap/{carried['metadata']['name']}",
        "data.[config.yaml]",
        "receivers: {}",
        "",
    )
    [complaint] = planted(fault)
    assert "config.yaml is no file under deploy/" in complaint


def test_a_dashboard_that_is_left_out_is_found() -> None:
    first, key = next(
        (each, key)
        for each in render(SOUND).of("ConfigMap")
        for key in each["data"]
        if key.endswith(".json")
    )
    fault = Fault(
        contents.watched_is_watched_whole,
        f"ConfigMap/{first['metadata']['name']}",
        f"data.[{key}]",
        GONE,
        "",
    )
    [complaint] = planted(fault)
    assert key in complaint


def test_no_rule_is_without_its_fault() -> None:
    tried = {fault.rule for fault in FAULTS} | {contents.configuration_is_current}
    assert tried == {*variables.RULES, *contents.RULES}
