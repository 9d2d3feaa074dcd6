"""What resources say of pods: labels that they choose them by, ports, replicas."""

import re
from collections.abc import Iterator

from tests.deploy.manifests import Manifests, Pod, Resource, at, name, space
from tests.deploy.rules.pods import STAGES, each_container, environment, service

_ADDRESS = re.compile(r"dns:///([\w-]+)(?:\.([\w-]+)\.svc[\w.-]*)?:(\d+)")
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def workloads_own_their_pods(manifests: Manifests) -> list[str]:
    """A workload's selector takes its own pods, and nobody else's."""
    found = []
    for each in manifests.of("Deployment", "StatefulSet", "DaemonSet"):
        owners = {
            pod.owner for pod in manifests.chosen(each["spec"]["selector"], space(each))
        }
        if owners != {name(each)}:
            found.append(f"{name(each)}: its selector takes pods of {sorted(owners)}")
    return found


def selectors_find_pods(manifests: Manifests) -> list[str]:
    """Whatever chooses pods by labels finds some: Services, budgets, policies, monitors, spreads."""
    return [
        f"{where}: no pod has these labels: {selector}"
        for where, selector, namespace in _selectors(manifests)
        if not manifests.chosen(selector, namespace)
    ]


def _selectors(manifests: Manifests) -> Iterator[tuple[str, Resource, str]]:
    for each in manifests.of("Service"):
        if chosen := at(each, "spec.selector"):
            yield name(each), {"matchLabels": chosen}, space(each)
    for each in manifests.of("PodDisruptionBudget", "PodMonitor"):
        yield name(each), each["spec"]["selector"], space(each)
    for each in manifests.of("NetworkPolicy"):
        yield name(each), each["spec"]["podSelector"], space(each)
        for rule in [*at(each, "spec.ingress", []), *at(each, "spec.egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield f"{name(each)}, a peer", peer["podSelector"], space(each)
    for pod in manifests.pods():
        for spread in pod.spec.get("topologySpreadConstraints", []):
            yield f"{pod.owner}, its spread", spread["labelSelector"], pod.namespace
        for kind in ("podAffinity", "podAntiAffinity"):
            rules = at(pod.spec, f"affinity.{kind}", {})
            for term in rules.get("requiredDuringSchedulingIgnoredDuringExecution", []):
                yield f"{pod.owner}, {kind}", term["labelSelector"], pod.namespace


def ports_are_there(manifests: Manifests) -> list[str]:
    """Ports that Services, probes, policies and monitors name are ports of the pods behind them."""
    return [
        f"{where}: {pod.owner} has no port {port}"
        for where, pods, port in _ports(manifests)
        for pod in pods
        if pod.port(port) is None
    ]


def _ports(manifests: Manifests) -> Iterator[tuple[str, list[Pod], str | int]]:
    for each in manifests.of("Service"):
        pods = manifests.chosen(
            {"matchLabels": at(each, "spec.selector", {})}, space(each)
        )
        for port in each["spec"]["ports"]:
            yield name(each), pods, port.get("targetPort", port["port"])
    for pod in manifests.pods():
        for container in pod.containers:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for way in ("grpc", "httpGet", "tcpSocket"):
                    if port := at(container, f"{probe}.{way}.port"):
                        yield f"{container['name']}, {probe}", [pod], port
    for each in manifests.of("NetworkPolicy"):
        pods = manifests.chosen(each["spec"]["podSelector"], space(each))
        for rule in at(each, "spec.ingress", []):
            for port in rule.get("ports", []):
                # A policy for several pods may open a port that only some have.
                having = [pod for pod in pods if pod.port(port["port"]) is not None]
                yield name(each), having or pods, port["port"]
    for each in manifests.of("PodMonitor"):
        pods = manifests.chosen(each["spec"]["selector"], space(each))
        for end in each["spec"]["podMetricsEndpoints"]:
            yield name(each), pods, end.get("port") or end["portNumber"]


def stages_are_balanced_by_the_gateway(manifests: Manifests) -> list[str]:
    """The gateway asks each stage by a headless Service, at a port that it has: all replicas, call by call."""
    found = []
    for where, pod, container in each_container(manifests):
        if service(container) != "gateway":
            continue
        told = environment(manifests, pod, container)
        for stage in STAGES:
            address = told.get(f"ANTIPHON_GATEWAY_{stage.upper()}", "")
            found += [
                f"{where}: {stage}: {complaint}"
                for complaint in _unreachable(manifests, address, pod.namespace)
            ]
    return found


def _unreachable(manifests: Manifests, address: str, namespace: str) -> Iterator[str]:
    if (parts := _ADDRESS.fullmatch(address)) is None:
        yield f"{address or 'nothing'} is no dns:///NAME:PORT, which finds every replica"
        return
    called, elsewhere, port = parts.groups()
    target = manifests.find("Service", called, elsewhere or namespace)
    if target is None:
        yield f"{address}: there is no such Service"
        return
    if target["spec"].get("clusterIP") != "None":
        yield f"{address}: the Service is not headless, and one replica would get all"
    ports = {each.get("targetPort", each["port"]) for each in target["spec"]["ports"]}
    pods = manifests.chosen({"matchLabels": target["spec"]["selector"]}, space(target))
    # Behind a headless Service there is no translation: the port is the pod's own.
    if not any(pod.port(each) == int(port) for pod in pods for each in ports):
        yield f"{address}: no pod behind it has port {port}"


def scalers_have_targets_of_their_own(manifests: Manifests) -> list[str]:
    """What is scaled by load exists, says no number of replicas itself, and is scaled by one alone."""
    found, scaled = [], set()
    for each in manifests.of(*SCALERS):
        reference = each["spec"]["scaleTargetRef"]
        kind = reference.get("kind", "Deployment")
        target = manifests.find(kind, reference["name"], space(each))
        where = f"{name(each)}: {kind}/{reference['name']}"
        if target is None:
            found.append(f"{where} does not exist")
        elif "replicas" in target["spec"]:
            found.append(f"{where} says its replicas, which undoes the autoscaler's")
        if where.partition(": ")[2] in scaled:
            found.append(f"{where} is scaled by another one as well")
        scaled.add(where.partition(": ")[2])
    return found


RULES = (
    workloads_own_their_pods,
    selectors_find_pods,
    ports_are_there,
    stages_are_balanced_by_the_gateway,
    scalers_have_targets_of_their_own,
)
