"""Replicas come, work, go and are taken for dead: what manifests say of it, beside how long a drain may last."""

from collections.abc import Iterator

from tests.deploy.manifests import Manifests, Pod, Resource, at, name, space
from tests.deploy.rules.pods import each_container, pause, service

NAMES_ARE_KEPT = 30
"""Seconds for which name servers of clusters keep an answer: CoreDNS as kubeadm sets it up, and NodeLocal DNSCache."""
BUSY = 30
"""Seconds without an answer that are no death yet."""
ROLLOUT = 600
"""Seconds until a rollout without progress counts as failed, unless a Deployment says otherwise."""


def _deployments(manifests: Manifests) -> Iterator[tuple[Resource, Pod]]:
    """Those of ours, with their pods."""
    pods = {(pod.owner, pod.namespace): pod for pod in manifests.pods()}
    for each in manifests.of("Deployment"):
        pod = pods[name(each), space(each)]
        if any(map(service, pod.lasting)):
            yield each, pod


def _services(manifests: Manifests, pod: Pod) -> list[Resource]:
    return [
        each
        for each in manifests.of("Service")
        if pod
        in manifests.chosen({"matchLabels": at(each, "spec.selector")}, space(each))
    ]


def new_replicas_serve_before_old_ones_go(manifests: Manifests) -> list[str]:
    """Also where there is a single one."""
    return [
        f"{name(each)}: a rollout takes a replica away before there is a new one"
        for each, _ in _deployments(manifests)
        if at(each, "spec.strategy.rollingUpdate.maxUnavailable") != 0
    ]


def new_replicas_are_found_before_old_ones_go(manifests: Manifests) -> list[str]:
    """Behind a headless Service a replica is an address among a name's, and name servers keep what they said before."""
    return [
        f"{name(each)}: an old replica may go before the name {name(found)} leads to the new one everywhere"
        for each, pod in _deployments(manifests)
        for found in _services(manifests, pod)
        if found["spec"].get("clusterIP") == "None"
        and each["spec"].get("minReadySeconds", 0) <= NAMES_ARE_KEPT
    ]


def rollouts_are_given_the_time_of_a_start(manifests: Manifests) -> list[str]:
    """A start is loading, and fetching before that; neither has failed while it goes on."""
    found = []
    for each, pod in _deployments(manifests):
        given = each["spec"].get("progressDeadlineSeconds", ROLLOUT)
        starts = [_start(container) for container in pod.lasting]
        needed = sum(starts) + each["spec"].get("minReadySeconds", 0)
        if len(pod.containers) > len(pod.lasting):
            needed += ROLLOUT
        if given < needed:
            found.append(
                f"{name(each)}: a rollout counts as failed after {given} s, and a start may take {needed} s"
            )
    return found


def _start(container: Resource) -> int:
    probe = container.get("startupProbe", {})
    seconds: int = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    return seconds


def models_on_gpus_have_longer_to_load(manifests: Manifests) -> list[str]:
    """They record CUDA graphs and measure themselves: ten minutes at least."""
    return [
        f"{where}: on a GPU, and is given up after {_start(container)} s"
        for where, _, container in each_container(manifests)
        if at(container, "resources.limits", {}).get("nvidia.com/gpu")
        and _start(container) < 600
    ]


def busy_ones_are_not_killed(manifests: Manifests) -> list[str]:
    """A process that answers late for a while has work to do, and calls under way."""
    found = []
    for where, _, container in each_container(manifests):
        probe = container.get("livenessProbe")
        if probe is None or not service(container):
            continue
        late = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        if late < BUSY or probe.get("timeoutSeconds", 1) < 3:
            found.append(f"{where}: killed when it does not answer for {late} s")
    return found


def probes_ask_for_the_process_itself(manifests: Manifests) -> list[str]:
    """Not for others behind it, as /readyz does: where one of these is gone, all that need it would be taken out."""
    return [
        f"{where}: {probe} asks for others as well, by {path}"
        for where, _, container in each_container(manifests)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        if (path := at(container, f"{probe}.httpGet.path")) == "/readyz"
    ]


def names_lead_to_replicas_that_serve(manifests: Manifests) -> list[str]:
    """Neither to one that loads nor to one that drains."""
    return [
        f"{name(each)}: leads to replicas that are not ready"
        for each in manifests.of("Service")
        if each["spec"].get("publishNotReadyAddresses")
    ]


def proxies_hear_of_it_before_a_replica_goes(manifests: Manifests) -> list[str]:
    """What stands behind an address waits before it refuses: whoever sends clients there learns a moment later."""
    found = []
    for each, pod in _deployments(manifests):
        if all(s["spec"].get("clusterIP") == "None" for s in _services(manifests, pod)):
            continue
        for container in filter(service, pod.lasting):
            if not pause(container):
                found.append(f"{name(each)}, {container['name']}: refuses at once")
    return found


RULES = (
    new_replicas_serve_before_old_ones_go,
    new_replicas_are_found_before_old_ones_go,
    rollouts_are_given_the_time_of_a_start,
    models_on_gpus_have_longer_to_load,
    busy_ones_are_not_killed,
    probes_ask_for_the_process_itself,
    names_lead_to_replicas_that_serve,
    proxies_hear_of_it_before_a_replica_goes,
)
