"""Every rule about manifests finds the fault that it is for, planted into what we deploy for users."""

from collections.abc import Callable

import pytest

from tests.deploy.faults import GONE, with_fault, without
from tests.deploy.manifests import FOLDER, Manifests, render
from tests.deploy.rules import contents, network, pods, restricted, variables, wiring
from tests.deploy.test_kubernetes import RULES
from tests.deploy.tools import called

SOUND = FOLDER / "overlays" / "production"
POD = "spec.template.spec"
MAIN = f"{POD}.containers.0"
LABEL = "[app.kubernetes.io/component]"

Rule = Callable[[Manifests], list[str]]
Fault = tuple[Rule, str, str, object, str]

FAULTS: list[Fault] = [
    # The restricted profile.
    (
        restricted.shares_nothing_with_its_host,
        "Deployment/stt",
        f"{POD}.hostNetwork",
        True,
        "hostNetwork",
    ),
    (
        restricted.shares_nothing_with_its_host,
        "Deployment/stt",
        f"{POD}.volumes.0",
        {"name": "tmp", "hostPath": {"path": "/tmp"}},
        "volume tmp is ['hostPath']",
    ),
    (
        restricted.shares_nothing_with_its_host,
        "Deployment/stt",
        f"{MAIN}.ports.0.hostPort",
        50051,
        "hostPort 50051",
    ),
    (
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{MAIN}.securityContext.allowPrivilegeEscalation",
        GONE,
        "allowPrivilegeEscalation is not false",
    ),
    (
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{POD}.initContainers.0.securityContext.capabilities",
        GONE,
        "prefetch: does not drop ALL",
    ),
    (
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{MAIN}.securityContext.capabilities.add",
        ["SYS_ADMIN"],
        "adds capabilities ['SYS_ADMIN']",
    ),
    (
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{MAIN}.securityContext.privileged",
        True,
        "privileged",
    ),
    (
        restricted.does_not_run_as_root,
        "Deployment/llm",
        f"{POD}.securityContext.runAsNonRoot",
        GONE,
        "runAsNonRoot is not true",
    ),
    (
        restricted.does_not_run_as_root,
        "Deployment/llm",
        f"{MAIN}.securityContext.runAsUser",
        0,
        "runs as user 0",
    ),
    (
        restricted.keeps_the_kernels_guards,
        "Deployment/otel-collector",
        f"{POD}.securityContext.seccompProfile",
        GONE,
        "seccompProfile is None",
    ),
    (
        restricted.keeps_the_kernels_guards,
        "Deployment/stt",
        f"{POD}.securityContext.sysctls",
        [{"name": "kernel.msgmax", "value": "1"}],
        "sysctl kernel.msgmax",
    ),
    # Containers of ours.
    (
        pods.images_are_pinned,
        "Deployment/stt",
        f"{MAIN}.image",
        "registry.example.com:5000/antiphon-stt",
        "has no tag",
    ),
    (
        pods.images_are_pinned,
        "Deployment/stt",
        f"{MAIN}.image",
        "antiphon-stt:latest",
        "has no tag",
    ),
    (
        pods.our_images_are_of_this_version,
        "Deployment/tts",
        f"{MAIN}.image",
        "antiphon-tts:0.0.9-qwen3",
        "image of version 0.0.9-qwen3",
    ),
    (
        pods.services_are_probed,
        "Deployment/gateway",
        f"{MAIN}.startupProbe",
        GONE,
        "no startupProbe",
    ),
    (
        pods.probes_ask_for_a_service_of_the_contract,
        "Deployment/gateway",
        f"{MAIN}.readinessProbe.grpc.service",
        "antiphon.Conversation",
        "readinessProbe asks for antiphon.Conversation",
    ),
    (
        pods.models_have_time_to_load,
        "Deployment/stt",
        f"{MAIN}.startupProbe.failureThreshold",
        3,
        "is given up 15 s after its start",
    ),
    (
        pods.resources_are_said,
        "Deployment/llm",
        f"{MAIN}.resources.limits",
        GONE,
        "no resources.limits.memory",
    ),
    (
        pods.nothing_is_written_but_to_bounded_places,
        "Deployment/llm",
        f"{MAIN}.securityContext.readOnlyRootFilesystem",
        False,
        "can be written to",
    ),
    (
        pods.nothing_is_written_but_to_bounded_places,
        "Deployment/llm",
        f"{POD}.volumes.0.emptyDir",
        {},
        "has no sizeLimit",
    ),
    (
        pods.ours_run_as_the_images_user,
        "Deployment/llm",
        f"{POD}.securityContext.runAsUser",
        1000,
        "runs as 1000",
    ),
    (
        pods.nobody_holds_a_token,
        "Deployment/gateway",
        f"{POD}.automountServiceAccountToken",
        GONE,
        "automountServiceAccountToken is not false",
    ),
    (
        pods.nobody_holds_a_token,
        "Deployment/gateway",
        f"{POD}.serviceAccountName",
        GONE,
        "default account",
    ),
    (
        pods.pods_may_finish_before_they_are_killed,
        "Deployment/gateway",
        f"{POD}.terminationGracePeriodSeconds",
        30,
        "killed after 30 s",
    ),
    (
        pods.pods_may_finish_before_they_are_killed,
        "Deployment/stt",
        f"{MAIN}.lifecycle",
        {"preStop": {"sleep": {"seconds": 60}}},
        "may take 210 s",
    ),
    (
        pods.drains_outlast_what_they_let_finish,
        "Deployment/stt",
        f"{MAIN}.env",
        [{"name": "ANTIPHON_STT_DRAIN_SECONDS", "value": "20"}],
        "stt: may drain for 20 s",
    ),
    (
        pods.all_is_labelled_and_in_its_namespace,
        "Namespace/antiphon",
        "metadata.labels",
        {"pod-security.kubernetes.io/enforce": "baseline"},
        "enforces baseline",
    ),
    (
        pods.all_is_labelled_and_in_its_namespace,
        "Deployment/stt",
        f"spec.template.metadata.labels.{LABEL}",
        "ears",
        "names no service",
    ),
    (
        pods.all_is_labelled_and_in_its_namespace,
        "Service/stt",
        "metadata.namespace",
        GONE,
        "Service/stt: is in namespace default",
    ),
    # What resources say of each other.
    (
        wiring.workloads_own_their_pods,
        "Deployment/stt",
        f"spec.selector.matchLabels.{LABEL}",
        GONE,
        "Deployment/stt: its selector takes pods of",
    ),
    (
        wiring.selectors_find_pods,
        "PodDisruptionBudget/tts",
        f"spec.selector.matchLabels.{LABEL}",
        "voice",
        "PodDisruptionBudget/tts: no pod",
    ),
    (
        wiring.selectors_find_pods,
        "NetworkPolicy/stt",
        f"spec.ingress.0.from.0.podSelector.matchLabels.{LABEL}",
        "door",
        "NetworkPolicy/stt, a peer: no pod",
    ),
    (
        wiring.ports_are_there,
        "Service/gateway",
        "spec.ports.0.targetPort",
        "web",
        "Service/gateway: Deployment/gateway has no port web",
    ),
    (
        wiring.ports_are_there,
        "Deployment/tts",
        f"{MAIN}.readinessProbe.grpc.port",
        50051,
        "tts, readinessProbe: Deployment/tts has no port 50051",
    ),
    (
        wiring.ports_are_there,
        "PodMonitor/antiphon",
        "spec.podMetricsEndpoints.0.port",
        "prometheus",
        "has no port prometheus",
    ),
    (
        wiring.stages_are_balanced_by_the_gateway,
        "Service/tts",
        "spec.clusterIP",
        GONE,
        "the Service is not headless",
    ),
    (
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
    (
        wiring.scalers_have_targets_of_their_own,
        "Deployment/stt",
        "spec.replicas",
        2,
        "undoes the autoscaler's",
    ),
    (
        wiring.scalers_have_targets_of_their_own,
        "ScaledObject/stt",
        "spec.scaleTargetRef.name",
        "ears",
        "Deployment/ears does not exist",
    ),
    (
        wiring.volumes_and_mounts_agree,
        "Deployment/stt",
        f"{MAIN}.volumeMounts.0.name",
        "scratch",
        "no volume scratch",
    ),
    (
        wiring.routes_lead_to_services,
        "GRPCRoute/gateway",
        "spec.rules.0.backendRefs.0.port",
        50051,
        "Service/gateway has no port 50051",
    ),
    (
        wiring.routes_lead_to_services,
        "HTTPRoute/gateway",
        "spec.parentRefs.0.sectionName",
        "tls",
        "Gateway/antiphon has no listener tls",
    ),
    # Who may talk to whom.
    (
        network.what_must_pass_passes,
        "NetworkPolicy/gateway",
        "spec.egress",
        [],
        "gateway cannot reach stt",
    ),
    (
        network.what_must_pass_passes,
        "NetworkPolicy/dns",
        "spec.egress.0.ports",
        [{"protocol": "UDP", "port": 53}],
        "cannot reach the cluster's DNS at 53/TCP",
    ),
    (
        network.what_must_pass_passes,
        "NetworkPolicy/tts",
        "spec.ingress.0.ports.0.port",
        50051,
        "gateway cannot reach tts",
    ),
    (
        network.what_must_not_pass_does_not,
        "NetworkPolicy/stt",
        "spec.ingress.0.from",
        GONE,
        "a pod of another namespace can reach stt",
    ),
    (
        network.what_must_not_pass_does_not,
        "NetworkPolicy/gateway",
        "spec.ingress.0.ports",
        GONE,
        "the internet can reach gateway at 9460",
    ),
    (
        network.only_who_must_goes_out,
        "Deployment/stt",
        f"{POD}.initContainers",
        [],
        "stt can reach the internet",
    ),
    (
        network.who_fetches_goes_out,
        "NetworkPolicy/hosted-models",
        "spec.egress",
        [],
        "llm fetches from the internet, and cannot reach it",
    ),
    (
        network.what_nobody_allows_is_denied,
        "NetworkPolicy/default-deny",
        "spec.podSelector",
        {"matchLabels": {"app.kubernetes.io/name": "antiphon"}},
        "denies all",
    ),
    # What processes are told, and what is told of them.
    (
        variables.variables_are_settings,
        "Deployment/stt",
        f"{MAIN}.env.0.name",
        "ANTIPHON_STT_DRAIN",
        "ANTIPHON_STT_DRAIN is no setting",
    ),
    (
        variables.variables_are_settings,
        "Deployment/stt",
        f"{MAIN}.env.0.name",
        "ANTIPHON_TTS_DRAIN_SECONDS",
        "is another process's",
    ),
    (
        contents.watched_is_watched_whole,
        "PrometheusRule/antiphon-stages",
        "spec.groups.0.rules.0.expr",
        "vector(1)",
        "group antiphon-failures is not as in rules/",
    ),
    (
        contents.scalers_ask_for_what_there_is,
        "ScaledObject/llm",
        "spec.triggers.0.metadata.query",
        'sum(antiphon_streams{job="antiphon-proxy"})',
        "nobody exports antiphon_streams",
    ),
    (
        contents.scalers_ask_for_what_there_is,
        "ScaledObject/llm",
        "spec.triggers.0.metadata.query",
        'sum(antiphon_streams_open{job="antiphon-proxy"})',
        "no job is called antiphon-proxy",
    ),
    (
        contents.named_files_are_there,
        "Deployment/llm",
        f"{MAIN}.env",
        [{"name": "ANTIPHON_CONFIG", "value": "/etc/antiphon/gemini.yaml"}],
        "gemini.yaml is nowhere",
    ),
    (
        contents.traces_go_to_somebody,
        "Service/otel-collector",
        "spec.ports.0.port",
        4318,
        "is no Service of these",
    ),
]


@pytest.mark.parametrize(
    "fault", FAULTS, ids=[f"{called(f[0])}: {f[1]} {f[2]}" for f in FAULTS]
)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    rule, resource, path, value, complaint = fault
    found = rule(with_fault(render(SOUND), resource, path, value))
    assert any(complaint in each for each in found), found


def test_a_file_that_is_not_as_it_stands_is_found() -> None:
    sound = render(SOUND)
    [carried] = [
        each for each in sound.of("ConfigMap") if "config.yaml" in each["data"]
    ]
    resource = f"ConfigMap/{carried['metadata']['name']}"
    fault = with_fault(sound, resource, "data.[config.yaml]", "receivers: {}")
    [complaint] = contents.configuration_is_current(fault)
    assert "config.yaml is no file under deploy/" in complaint


def test_a_dashboard_that_is_left_out_is_found() -> None:
    sound = render(SOUND)
    dashboards = [
        each
        for each in sound.of("ConfigMap")
        if any(key.endswith(".json") for key in each["data"])
    ]
    first = dashboards[0]
    key = next(key for key in first["data"] if key.endswith(".json"))
    resource = f"ConfigMap/{first['metadata']['name']}"
    [complaint] = contents.watched_is_watched_whole(
        with_fault(sound, resource, f"data.[{key}]", GONE)
    )
    assert key in complaint


def test_a_service_monitor_that_finds_no_service_is_found() -> None:
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "antiphon", "namespace": "antiphon"},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/component": "stt"}},
            "endpoints": [{"port": "metrics"}],
        },
    }
    sound = render(SOUND)
    found = wiring.monitors_find_services(Manifests("", [*sound.resources, monitor]))
    assert found == ["ServiceMonitor/antiphon: Service/stt has no port metrics"]


@pytest.mark.parametrize(
    ("resource", "page"),
    [
        ("ServiceAccount/stt", "no word of it"),
        ("PriorityClass/antiphon", "no word of it"),
    ],
)
def test_what_is_referred_to_and_missing_is_found(resource: str, page: str) -> None:
    found = wiring.references_are_there(without(render(SOUND), resource), page)
    assert any(f"{resource} does not exist" in each for each in found), found


def test_a_secret_that_nobody_tells_how_to_make_is_found() -> None:
    sound = render(SOUND)
    found = wiring.references_are_there(sound, "no word of it")
    assert any("Secret/huggingface does not exist" in each for each in found), found
    told = "kubectl create secret generic huggingface --from-file=token"
    found = wiring.references_are_there(sound, told)
    assert not any("Secret/huggingface" in each for each in found), found


def test_no_rule_is_without_its_fault() -> None:
    tried = {rule for rule, *_ in FAULTS}
    tried |= {contents.configuration_is_current, wiring.monitors_find_services}
    assert set(RULES) == tried
