"""Every rule about pods finds the fault that it is for, planted into what we deploy for users."""

import pytest

from tests.deploy.faults import GONE, MAIN, POD, Fault, planted, titles
from tests.deploy.rules import admission, pods, restricted

LABEL = "[app.kubernetes.io/component]"

FAULTS = [
    Fault(
        admission.names_are_names,
        "Deployment/stt",
        f"{MAIN}.ports.0.name",
        "speech-to-text-grpc",
        "port speech-to-text-grpc is no name of a port",
    ),
    Fault(
        admission.names_are_names,
        "Service/stt",
        "metadata.name",
        "Speech_To_Text",
        "Service/Speech_To_Text: is no name",
    ),
    Fault(
        admission.names_are_names,
        "Service/stt",
        f"metadata.labels.{LABEL}",
        "speech to text",
        "cannot be speech to text",
    ),
    Fault(
        admission.nothing_is_said_twice,
        "Service/stt",
        "metadata.name",
        "tts",
        "Service/tts is there twice",
    ),
    Fault(
        admission.nothing_is_said_twice,
        "Deployment/stt",
        f"{MAIN}.env",
        [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        "env A is there twice",
    ),
    Fault(
        admission.nobody_asks_for_more_than_the_limit,
        "Deployment/stt",
        f"{MAIN}.resources.requests.memory",
        "64Gi",
        "asks for 64Gi of memory",
    ),
    Fault(
        admission.all_can_be_applied,
        "PriorityClass/antiphon",
        "description",
        "x" * admission.LARGEST_APPLIED,
        "do not go into an annotation",
    ),
    Fault(
        restricted.shares_nothing_with_its_host,
        "Deployment/stt",
        f"{POD}.hostNetwork",
        True,
        "hostNetwork",
    ),
    Fault(
        restricted.shares_nothing_with_its_host,
        "Deployment/stt",
        f"{POD}.volumes.0",
        {"name": "tmp", "hostPath": {"path": "/tmp"}},
        "volume tmp is ['hostPath']",
    ),
    Fault(
        restricted.shares_nothing_with_its_host,
        "Deployment/stt",
        f"{MAIN}.ports.0.hostPort",
        50051,
        "hostPort 50051",
    ),
    Fault(
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{MAIN}.securityContext.allowPrivilegeEscalation",
        GONE,
        "allowPrivilegeEscalation is not false",
    ),
    Fault(
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{POD}.initContainers.0.securityContext.capabilities",
        GONE,
        "prefetch: does not drop ALL",
    ),
    Fault(
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{MAIN}.securityContext.capabilities.add",
        ["SYS_ADMIN"],
        "adds capabilities ['SYS_ADMIN']",
    ),
    Fault(
        restricted.gains_no_privilege,
        "Deployment/tts",
        f"{MAIN}.securityContext.privileged",
        True,
        "privileged",
    ),
    Fault(
        restricted.does_not_run_as_root,
        "Deployment/llm",
        f"{POD}.securityContext.runAsNonRoot",
        GONE,
        "runAsNonRoot is not true",
    ),
    Fault(
        restricted.does_not_run_as_root,
        "Deployment/llm",
        f"{MAIN}.securityContext.runAsUser",
        0,
        "runs as user 0",
    ),
    Fault(
        restricted.keeps_the_kernels_guards,
        "Deployment/otel-collector",
        f"{POD}.securityContext.seccompProfile",
        GONE,
        "seccompProfile is None",
    ),
    Fault(
        restricted.keeps_the_kernels_guards,
        "Deployment/stt",
        f"{POD}.securityContext.sysctls",
        [{"name": "kernel.msgmax", "value": "1"}],
        "sysctl kernel.msgmax",
    ),
    Fault(
        pods.images_are_pinned,
        "Deployment/stt",
        f"{MAIN}.image",
        "registry.example.com:5000/antiphon-stt",
        "has no tag",
    ),
    Fault(
        pods.images_are_pinned,
        "Deployment/stt",
        f"{MAIN}.image",
        "antiphon-stt:latest",
        "has no tag",
    ),
    Fault(
        pods.our_images_are_of_this_version,
        "Deployment/tts",
        f"{MAIN}.image",
        "antiphon-tts:0.0.9-qwen3",
        "image of version 0.0.9-qwen3",
    ),
    Fault(
        pods.services_are_probed,
        "Deployment/gateway",
        f"{MAIN}.startupProbe",
        GONE,
        "no startupProbe",
    ),
    Fault(
        pods.probes_ask_for_a_service_of_the_contract,
        "Deployment/gateway",
        f"{MAIN}.readinessProbe.grpc.service",
        "antiphon.Conversation",
        "readinessProbe asks for antiphon.Conversation",
    ),
    Fault(
        pods.models_have_time_to_load,
        "Deployment/stt",
        f"{MAIN}.startupProbe.failureThreshold",
        3,
        "is given up 15 s after its start",
    ),
    Fault(
        pods.resources_are_said,
        "Deployment/llm",
        f"{MAIN}.resources.limits",
        GONE,
        "no resources.limits.memory",
    ),
    Fault(
        pods.nothing_is_written_but_to_bounded_places,
        "Deployment/llm",
        f"{MAIN}.securityContext.readOnlyRootFilesystem",
        False,
        "can be written to",
    ),
    Fault(
        pods.nothing_is_written_but_to_bounded_places,
        "Deployment/llm",
        f"{POD}.volumes.0.emptyDir",
        {},
        "has no sizeLimit",
    ),
    Fault(
        pods.ours_run_as_the_images_user,
        "Deployment/llm",
        f"{POD}.securityContext.runAsUser",
        1000,
        "runs as 1000",
    ),
    Fault(
        pods.nobody_holds_a_token,
        "Deployment/gateway",
        f"{POD}.automountServiceAccountToken",
        GONE,
        "automountServiceAccountToken is not false",
    ),
    Fault(
        pods.nobody_holds_a_token,
        "Deployment/gateway",
        f"{POD}.serviceAccountName",
        GONE,
        "default account",
    ),
    Fault(
        pods.pods_may_finish_before_they_are_killed,
        "Deployment/gateway",
        f"{POD}.terminationGracePeriodSeconds",
        30,
        "killed after 30 s",
    ),
    Fault(
        pods.pods_may_finish_before_they_are_killed,
        "Deployment/stt",
        f"{MAIN}.lifecycle",
        {"preStop": {"sleep": {"seconds": 60}}},
        "may take 210 s",
    ),
    Fault(
        pods.drains_outlast_what_they_let_finish,
        "Deployment/stt",
        f"{MAIN}.env",
        [{"name": "ANTIPHON_STT_DRAIN_SECONDS", "value": "20"}],
        "stt: may drain for 20 s",
    ),
    Fault(
        pods.all_is_labelled_and_in_its_namespace,
        "Namespace/antiphon",
        "metadata.labels",
        {"pod-security.kubernetes.io/enforce": "baseline"},
        "enforces baseline",
    ),
    Fault(
        pods.all_is_labelled_and_in_its_namespace,
        "Deployment/stt",
        f"spec.template.metadata.labels.{LABEL}",
        "ears",
        "names no service",
    ),
    Fault(
        pods.all_is_labelled_and_in_its_namespace,
        "Service/stt",
        "metadata.namespace",
        GONE,
        "Service/stt: is in namespace default",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=titles(FAULTS))
def test_a_planted_fault_is_found(fault: Fault) -> None:
    found = planted(fault)
    assert any(fault.complaint in each for each in found), found


def test_no_rule_is_without_its_fault() -> None:
    assert {fault.rule for fault in FAULTS} == {
        *admission.RULES,
        *restricted.RULES,
        *pods.RULES,
    }
