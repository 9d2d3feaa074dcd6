"""What holds of every container of ours in Kubernetes, beyond Pod Security."""

import re
from collections.abc import Iterator, Mapping

from tests.deploy.manifests import (
    WORKLOADS,
    Manifests,
    Pod,
    Resource,
    at,
    name,
    space,
)
from tests.deploy.settings import drain_seconds, settings, version

USER = 10001
NAMESPACE = "antiphon"
COMPONENTS = {"gateway", "stt", "llm", "llm-local", "tts"}
STAGES = ("stt", "llm", "tts")
CONTRACT = {
    "gateway": "antiphon.v1.Conversation",
    "stt": "antiphon.v1.SpeechToText",
    "llm": "antiphon.v1.LanguageModel",
    "tts": "antiphon.v1.TextToSpeech",
}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_PINNED = re.compile(
    r"[\w./-]+(?::\d+)?[\w./-]*:(?!latest)[\w.-]+(?:@sha256:[0-9a-f]{64})?"
)


def service(container: Resource) -> str:
    """Which service of ours a container's image holds, or nothing."""
    image = container["image"].rsplit("/", 1)[-1].partition(":")[0]
    called: str = image.removeprefix("antiphon-")
    return called if called in COMPONENTS else ""


def each_container(manifests: Manifests) -> Iterator[tuple[str, Pod, Resource]]:
    """Where it stands, its pod, and the container."""
    for pod in manifests.pods():
        for container in pod.containers:
            yield f"{pod.owner}, {container['name']}", pod, container


def environment(
    manifests: Manifests, pod: Pod, container: Resource
) -> Mapping[str, str]:
    """Variables of a container as far as manifests say their values; those of Secrets are not told."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        called = at(source, "configMapRef.name")
        config = called and manifests.find("ConfigMap", called, pod.namespace)
        if config:
            prefix = source.get("prefix", "")
            found |= {prefix + key: value for key, value in config["data"].items()}
    for each in container.get("env", []):
        if "value" in each:
            found[each["name"]] = each["value"]
        elif reference := at(each, "valueFrom.configMapKeyRef"):
            config = manifests.find("ConfigMap", reference["name"], pod.namespace)
            found[each["name"]] = str(at(config, "data", {}).get(reference["key"], ""))
    return found


def is_pinned(image: str) -> bool:
    """Whether an image has a tag that stays, whatever follows it."""
    return _PINNED.fullmatch(image) is not None


def images_are_pinned(manifests: Manifests) -> list[str]:
    """Every image has a tag, and none that moves."""
    return [
        f"{where}: image {container['image']} has no tag that stays"
        for where, _, container in each_container(manifests)
        if not is_pinned(container["image"])
    ]


def our_images_are_of_this_version(manifests: Manifests) -> list[str]:
    """The stages speak one contract: what is deployed together was built together, from this source."""
    found = []
    for where, _, container in each_container(manifests):
        tag = container["image"].rpartition(":")[2]
        if service(container) and tag.split("-")[0] != version():
            found.append(f"{where}: image of version {tag}, and this is {version()}")
    return found


def services_are_probed(manifests: Manifests) -> list[str]:
    """Slow starts, warm-ups and hangs are told apart: all three probes, each with its own handler."""
    found = []
    for pod in manifests.pods():
        for container in filter(service, pod.lasting):
            for probe in PROBES:
                if probe not in container:
                    found.append(f"{pod.owner}, {container['name']}: no {probe}")
    return found


def probes_ask_for_a_service_of_the_contract(manifests: Manifests) -> list[str]:
    """By its full name; of one that it does not have, a server says that it is unknown, which counts as not healthy."""
    found = []
    for where, _, container in each_container(manifests):
        for probe in PROBES:
            asked = at(container, f"{probe}.grpc.service")
            if asked and asked != CONTRACT.get(service(container)):
                found.append(f"{where}: {probe} asks for {asked}")
    return found


def models_have_time_to_load(manifests: Manifests) -> list[str]:
    """A start may take a minute at least, before anybody calls it failed."""
    found = []
    for where, _, container in each_container(manifests):
        if probe := container.get("startupProbe"):
            seconds = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            if seconds < 60:
                found.append(f"{where}: is given up {seconds} s after its start")
    return found


def resources_are_said(manifests: Manifests) -> list[str]:
    """Requests, so that pods are placed; a limit of memory, so that one that leaks fails alone."""
    found = []
    for where, _, container in each_container(manifests):
        for path in ("requests.cpu", "requests.memory", "limits.memory"):
            if at(container, f"resources.{path}") is None:
                found.append(f"{where}: no resources.{path}")
    return found


def nothing_is_written_but_to_bounded_places(manifests: Manifests) -> list[str]:
    """The root file system is read-only, there is a /tmp, and what is kept in emptyDirs has a size."""
    found = []
    for where, _, container in each_container(manifests):
        if at(container, "securityContext.readOnlyRootFilesystem") is not True:
            found.append(f"{where}: its root file system can be written to")
        mounts = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
        if service(container) and "/tmp" not in mounts:
            found.append(f"{where}: no /tmp")
    for pod in manifests.pods():
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and not at(volume, "emptyDir.sizeLimit"):
                found.append(f"{pod.owner}: emptyDir {volume['name']} has no sizeLimit")
    return found


def ours_run_as_the_images_user(manifests: Manifests) -> list[str]:
    """The user that owns what is in our images."""
    found = []
    for where, pod, container in each_container(manifests):
        user = at(container, "securityContext.runAsUser")
        user = user or at(pod.spec, "securityContext.runAsUser")
        if service(container) and user != USER:
            found.append(f"{where}: runs as {user}, and the images' user is {USER}")
    return found


def nobody_holds_a_token(manifests: Manifests) -> list[str]:
    """No pod of ours asks Kubernetes anything, so none gets what it would ask with, and each has an account of its own."""
    found = []
    for pod in manifests.pods():
        if pod.spec.get("automountServiceAccountToken") is not False:
            found.append(f"{pod.owner}: automountServiceAccountToken is not false")
        if pod.spec.get("serviceAccountName", "default") == "default":
            found.append(f"{pod.owner}: runs as the namespace's default account")
    for account in manifests.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            found.append(f"{name(account)}: automountServiceAccountToken is not false")
    return found


def pods_may_finish_before_they_are_killed(manifests: Manifests) -> list[str]:
    """The grace period is longer than the wait before SIGTERM and the drain together."""
    found = []
    for pod in manifests.pods():
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        for container in filter(service, pod.lasting):
            told = environment(manifests, pod, container)
            needed = drain_seconds(service(container), told) + pause(container)
            if grace <= needed:
                found.append(
                    f"{pod.owner}, {container['name']}: killed after {grace} s, and may take {needed:g} s to stop"
                )
    return found


def pause(container: Resource) -> float:
    """Seconds between the order to end a pod and SIGTERM."""
    before = at(container, "lifecycle.preStop", {})
    if sleep := at(before, "sleep.seconds"):
        return float(sleep)
    command = " ".join(at(before, "exec.command", []))
    slept = re.search(r"\bsleep[ (]+([\d.]+)", command)
    return float(slept.group(1)) if slept else 0.0


def drains_outlast_what_they_let_finish(manifests: Manifests) -> list[str]:
    """A stage may finish the longest turn, and the gateway the longest conversation."""
    ours = {
        service(container): environment(manifests, pod, container)
        for pod in manifests.pods()
        for container in pod.lasting
    }

    def asked(called: str) -> float:
        variable = f"ANTIPHON_GATEWAY_{called}"
        return float(ours["gateway"].get(variable) or settings()[variable])

    longest = {"gateway": asked("LONGEST_CONVERSATION")}
    for stage in STAGES:
        longest[stage] = asked("LONGEST_UTTERANCE") + asked(f"{stage.upper()}_TIMEOUT")
    return [
        f"{called}: may drain for {drain:g} s, and what it does may take {seconds:g} s"
        for called, seconds in longest.items()
        if (drain := drain_seconds(called, ours[called])) < seconds
    ]


def all_is_labelled_and_in_its_namespace(manifests: Manifests) -> list[str]:
    """One namespace that enforces the restricted profile, and the labels by which all of ours is found."""
    found = []
    for each in manifests.of("Namespace"):
        enforced = at(each, "metadata.labels", {}).get(
            "pod-security.kubernetes.io/enforce"
        )
        if enforced != "restricted":
            found.append(f"{name(each)}: enforces {enforced}, not restricted")
    if not manifests.find("Namespace", NAMESPACE, "default"):
        found.append(f"no Namespace {NAMESPACE}")
    for each in manifests.of(*WORKLOADS, "Service", "ConfigMap", "Secret"):
        if space(each) != NAMESPACE:
            found.append(f"{name(each)}: is in namespace {space(each)}")
    for pod in manifests.pods():
        if any(map(service, pod.containers)):
            if pod.labels.get("app.kubernetes.io/name") != "antiphon":
                found.append(f"{pod.owner}: is not app.kubernetes.io/name=antiphon")
            if pod.component not in COMPONENTS:
                found.append(
                    f"{pod.owner}: app.kubernetes.io/component names no service"
                )
        elif pod.labels.get("app.kubernetes.io/part-of") != "antiphon":
            found.append(f"{pod.owner}: is not app.kubernetes.io/part-of=antiphon")
    return found


RULES = (
    images_are_pinned,
    our_images_are_of_this_version,
    services_are_probed,
    probes_ask_for_a_service_of_the_contract,
    models_have_time_to_load,
    resources_are_said,
    nothing_is_written_but_to_bounded_places,
    ours_run_as_the_images_user,
    nobody_holds_a_token,
    pods_may_finish_before_they_are_killed,
    drains_outlast_what_they_let_finish,
    all_is_labelled_and_in_its_namespace,
)
