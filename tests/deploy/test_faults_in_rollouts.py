"""Every rule about replicas that come and go finds the fault that it is for."""

import pytest

from tests.deploy.faults import GONE, MAIN, Fault, planted, titles
from tests.deploy.rules import rollouts

FAULTS = [
    Fault(
        rollouts.new_replicas_serve_before_old_ones_go,
        "Deployment/tts",
        "spec.strategy.rollingUpdate.maxUnavailable",
        1,
        "Deployment/tts: a rollout takes a replica away",
    ),
    Fault(
        rollouts.new_replicas_serve_before_old_ones_go,
        "Deployment/gateway",
        "spec.strategy",
        GONE,
        "Deployment/gateway: a rollout takes a replica away",
    ),
    Fault(
        rollouts.new_replicas_are_found_before_old_ones_go,
        "Deployment/stt",
        "spec.minReadySeconds",
        GONE,
        "before the name Service/stt leads to the new one",
    ),
    Fault(
        rollouts.new_replicas_are_found_before_old_ones_go,
        "Deployment/llm",
        "spec.minReadySeconds",
        30,
        "before the name Service/llm leads to the new one",
    ),
    Fault(
        rollouts.rollouts_are_given_the_time_of_a_start,
        "Deployment/stt",
        "spec.progressDeadlineSeconds",
        GONE,
        "failed after 600 s, and a start may take 1840 s",
    ),
    Fault(
        rollouts.models_on_gpus_have_longer_to_load,
        "Deployment/tts",
        f"{MAIN}.startupProbe.failureThreshold",
        24,
        "Deployment/tts, tts: on a GPU, and is given up after 120 s",
    ),
    Fault(
        rollouts.busy_ones_are_not_killed,
        "Deployment/stt",
        f"{MAIN}.livenessProbe.failureThreshold",
        1,
        "killed when it does not answer for 10 s",
    ),
    Fault(
        rollouts.busy_ones_are_not_killed,
        "Deployment/gateway",
        f"{MAIN}.livenessProbe.timeoutSeconds",
        1,
        "Deployment/gateway, gateway: killed",
    ),
    Fault(
        rollouts.probes_ask_for_the_process_itself,
        "Deployment/gateway",
        f"{MAIN}.readinessProbe",
        {"httpGet": {"path": "/readyz", "port": "http"}},
        "readinessProbe asks for others as well, by /readyz",
    ),
    Fault(
        rollouts.names_lead_to_replicas_that_serve,
        "Service/llm",
        "spec.publishNotReadyAddresses",
        True,
        "Service/llm: leads to replicas that are not ready",
    ),
    Fault(
        rollouts.proxies_hear_of_it_before_a_replica_goes,
        "Deployment/gateway",
        f"{MAIN}.lifecycle",
        GONE,
        "Deployment/gateway, gateway: refuses at once",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=titles(FAULTS))
def test_a_planted_fault_is_found(fault: Fault) -> None:
    found = planted(fault)
    assert any(fault.complaint in each for each in found), found


def test_no_rule_is_without_its_fault() -> None:
    assert {fault.rule for fault in FAULTS} == set(rollouts.RULES)
