"""Every rule about what resources say of each other finds the fault that it is for."""

import pytest

from tests.deploy.faults import GONE, MAIN, POD, SOUND, Fault, planted, titles, without
from tests.deploy.manifests import render
from tests.deploy.rules import network, references, routes, wiring

LABEL = "[app.kubernetes.io/component]"

FAULTS = [
    Fault(
        wiring.workloads_own_their_pods,
        "Deployment/stt",
        f"spec.selector.matchLabels.{LABEL}",
        GONE,
        "Deployment/stt: its selector takes pods of",
    ),
    Fault(
        wiring.selectors_find_pods,
        "PodDisruptionBudget/tts",
        f"spec.selector.matchLabels.{LABEL}",
        "voice",
        "PodDisruptionBudget/tts: no pod",
    ),
    Fault(
        wiring.selectors_find_pods,
        "NetworkPolicy/stt",
        f"spec.ingress.0.from.0.podSelector.matchLabels.{LABEL}",
        "door",
        "NetworkPolicy/stt, a peer: no pod",
    ),
    Fault(
        wiring.ports_are_there,
        "Service/gateway",
        "spec.ports.0.targetPort",
        "web",
        "Service/gateway: Deployment/gateway has no port web",
    ),
    Fault(
        wiring.ports_are_there,
        "Deployment/tts",
        f"{MAIN}.readinessProbe.grpc.port",
        50051,
        "tts, readinessProbe: Deployment/tts has no port 50051",
    ),
    Fault(
        wiring.ports_are_there,
        "PodMonitor/antiphon",
        "spec.podMetricsEndpoints.0.port",
        "prometheus",
        "has no port prometheus",
    ),
    Fault(
        wiring.stages_are_balanced_by_the_gateway,
        "Service/tts",
        "spec.clusterIP",
        GONE,
        "the Service is not headless",
    ),
    Fault(
        wiring.stages_are_balanced_by_the_gateway,
        "Deployment/gateway",
        f"{MAIN}.env",
        [
            {"name": "ANTIPHON_GATEWAY_STT", "value": "stt:50051"},
            {"name": "ANTIPHON_GATEWAY_LLM", "value": "dns:///model:50052"},
            {"name": "ANTIPHON_GATEWAY_TTS", "value": "dns:///tts:50059"},
        ],
        "stt: stt:50051 is no dns:///NAME:PORT",
    ),
    Fault(
        wiring.scalers_have_targets_of_their_own,
        "Deployment/stt",
        "spec.replicas",
        2,
        "undoes the autoscaler's",
    ),
    Fault(
        wiring.scalers_have_targets_of_their_own,
        "ScaledObject/stt",
        "spec.scaleTargetRef.name",
        "ears",
        "Deployment/ears does not exist",
    ),
    Fault(
        references.volumes_and_mounts_agree,
        "Deployment/stt",
        f"{MAIN}.volumeMounts.0.name",
        "scratch",
        "no volume scratch",
    ),
    Fault(
        routes.routes_lead_to_services,
        "GRPCRoute/gateway",
        "spec.rules.0.backendRefs.0.port",
        50051,
        "Service/gateway has no port 50051",
    ),
    Fault(
        routes.routes_lead_to_services,
        "HTTPRoute/gateway",
        "spec.parentRefs.0.sectionName",
        "tls",
        "Gateway/antiphon has no listener tls",
    ),
    Fault(
        routes.routes_take_the_port_of_their_kind,
        "GRPCRoute/gateway",
        "spec.rules.0.backendRefs.0.port",
        8080,
        "GRPCRoute/gateway: leads to a port http that speaks HTTP/1",
    ),
    Fault(
        routes.routes_take_the_port_of_their_kind,
        "Service/gateway",
        "spec.ports.1.appProtocol",
        GONE,
        "GRPCRoute/gateway: leads to a port grpc that speaks HTTP/1",
    ),
    Fault(
        routes.nobody_talks_without_tls,
        "HTTPRoute/gateway",
        "spec.parentRefs.0.sectionName",
        "http",
        "HTTPRoute/gateway: is reached by HTTP as well",
    ),
    Fault(
        routes.names_of_the_door_agree,
        "GRPCRoute/gateway",
        "spec.hostnames.0",
        "antiphon.example.com",
        "GRPCRoute/gateway: is for",
    ),
    Fault(
        routes.names_of_the_door_agree,
        "Deployment/gateway",
        f"{MAIN}.env",
        [{"name": "ANTIPHON_GATEWAY_ORIGINS", "value": "https://example.com"}],
        "is no origin of the gateway's",
    ),
    Fault(
        network.what_must_pass_passes,
        "NetworkPolicy/gateway",
        "spec.egress",
        [],
        "gateway cannot reach stt",
    ),
    Fault(
        network.what_must_pass_passes,
        "NetworkPolicy/dns",
        "spec.egress.0.ports",
        [{"protocol": "UDP", "port": 53}],
        "cannot reach the cluster's DNS at 53/TCP",
    ),
    Fault(
        network.what_must_pass_passes,
        "NetworkPolicy/tts",
        "spec.ingress.0.ports.0.port",
        50051,
        "gateway cannot reach tts",
    ),
    Fault(
        network.what_must_pass_passes,
        "NetworkPolicy/metrics",
        "spec.ingress.0.from.0.namespaceSelector.matchLabels",
        {"kubernetes.io/metadata.name": "default"},
        "Prometheus cannot reach stt at 9461/TCP",
    ),
    Fault(
        network.what_must_pass_passes,
        "NetworkPolicy/traces",
        "spec.egress.0.ports.0.port",
        4318,
        "gateway cannot reach the collector at 4317/TCP",
    ),
    Fault(
        network.what_must_not_pass_does_not,
        "NetworkPolicy/stt",
        "spec.ingress.0.from",
        GONE,
        "a pod of another namespace can reach stt",
    ),
    Fault(
        network.what_must_not_pass_does_not,
        "NetworkPolicy/gateway",
        "spec.ingress.0.ports",
        GONE,
        "the internet can reach gateway at 9460",
    ),
    Fault(
        network.only_who_must_goes_out,
        "Deployment/stt",
        f"{POD}.initContainers",
        [],
        "stt can reach the internet",
    ),
    Fault(
        network.the_internet_is_not_the_network_around,
        "NetworkPolicy/hosted-models",
        "spec.egress.0.to.0.ipBlock.except",
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        "llm can reach 169.254.169.254",
    ),
    Fault(
        network.the_internet_is_not_the_network_around,
        "NetworkPolicy/model-hub",
        "spec.egress.0.to.1.ipBlock.except",
        GONE,
        "tts can reach fd00::1",
    ),
    Fault(
        network.who_fetches_goes_out,
        "NetworkPolicy/hosted-models",
        "spec.egress",
        [],
        "llm fetches from the internet, and cannot reach it",
    ),
    Fault(
        network.what_nobody_allows_is_denied,
        "NetworkPolicy/default-deny",
        "spec.podSelector",
        {"matchLabels": {"app.kubernetes.io/name": "antiphon"}},
        "denies all",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=titles(FAULTS))
def test_a_planted_fault_is_found(fault: Fault) -> None:
    found = planted(fault)
    assert any(fault.complaint in each for each in found), found


def test_what_is_referred_to_and_missing_is_found() -> None:
    for resource in ("ServiceAccount/stt", "PriorityClass/antiphon"):
        fault = without(render(SOUND), resource)
        found = references.references_are_there(fault, "no word of it")
        assert any(f"{resource} does not exist" in each for each in found), found


def test_a_secret_that_nobody_tells_how_to_make_is_found() -> None:
    sound = render(SOUND)
    found = references.references_are_there(sound, "no word of it")
    assert any("Secret/huggingface does not exist" in each for each in found), found
    told = "kubectl create secret generic huggingface --from-file=token"
    found = references.references_are_there(sound, told)
    assert not any("Secret/huggingface" in each for each in found), found


def test_a_secret_that_is_told_to_be_made_with_another_key_is_found() -> None:
    told = "kubectl create secret generic huggingface --from-literal=tokens=hf_1"
    found = references.references_are_there(render(SOUND), told)
    assert any("huggingface is made without token" in each for each in found), found


def test_no_rule_is_without_its_fault() -> None:
    assert {fault.rule for fault in FAULTS} == {
        *wiring.RULES,
        *references.RULES,
        *routes.RULES,
        *network.RULES,
    }
