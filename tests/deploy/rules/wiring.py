"""What resources name must be there: pods, ports, targets, volumes, accounts, configuration, keys."""

import re
from collections.abc import Iterator

from tests.deploy.manifests import Manifests, Pod, Resource, at, name, space
from tests.deploy.rules.pods import STAGES, each_container, environment, service

_ADDRESS = re.compile(r"dns:///([\w-]+)(?:\.([\w-]+)\.svc[\w.-]*)?:(\d+)")
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
ROUTES = ("HTTPRoute", "GRPCRoute")


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


def monitors_find_services(manifests: Manifests) -> list[str]:
    """A ServiceMonitor finds a Service, and that has the ports it scrapes."""
    found = []
    for each in manifests.of("ServiceMonitor"):
        labels = at(each, "spec.selector.matchLabels", {})
        services = [
            service
            for service in manifests.of("Service")
            if labels.items() <= at(service, "metadata.labels", {}).items()
        ]
        if not services:
            found.append(f"{name(each)}: no Service has the labels {labels}")
        for service_ in services:
            names = {port.get("name") for port in service_["spec"]["ports"]}
            for end in each["spec"]["endpoints"]:
                if end.get("port") not in names:
                    found.append(
                        f"{name(each)}: {name(service_)} has no port {end.get('port')}"
                    )
    return found


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


def volumes_and_mounts_agree(manifests: Manifests) -> list[str]:
    """Every mount has its volume, and every volume a container that mounts it."""
    found = []
    for pod in manifests.pods():
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
        mounts = {
            mount["name"]
            for container in pod.containers
            for mount in container.get("volumeMounts", [])
        }
        found += [f"{pod.owner}: no volume {each}" for each in sorted(mounts - volumes)]
        found += [
            f"{pod.owner}: nobody mounts {each}" for each in sorted(volumes - mounts)
        ]
    return found


def references_are_there(manifests: Manifests, page: str) -> list[str]:
    """Accounts, claims, classes and ConfigMaps exist; Secrets exist, may be missing, or the page says how to make them.

    Args:
        manifests: all of them.
        page: of documentation, which tells how Secrets are made.
    """
    found = []
    for where, kind, called, key, namespace in _references(manifests):
        target = manifests.find(kind, called, namespace)
        if target is None:
            told = re.search(rf"create secret \w+ {re.escape(called)}\b", page)
            if kind == "Secret" and told:
                continue
            found.append(f"{where}: {kind}/{called} does not exist")
        elif key and key not in {
            *target.get("data", {}),
            *target.get("stringData", {}),
        }:
            found.append(f"{where}: {kind}/{called} has no {key}")
    return found


def _references(manifests: Manifests) -> Iterator[tuple[str, str, str, str, str]]:
    kinds = {"configMap": "ConfigMap", "secret": "Secret"}
    for pod in manifests.pods():
        if account := pod.spec.get("serviceAccountName"):
            yield pod.owner, "ServiceAccount", account, "", pod.namespace
        priority = pod.spec.get("priorityClassName", "")
        # Those of the system are Kubernetes' own.
        if priority and not priority.startswith("system-"):
            yield pod.owner, "PriorityClass", priority, "", "default"
        for volume in pod.spec.get("volumes", []):
            if claim := at(volume, "persistentVolumeClaim.claimName"):
                yield pod.owner, "PersistentVolumeClaim", claim, "", pod.namespace
            for way, kind in kinds.items():
                source = volume.get(way)
                if source and not source.get("optional"):
                    called = source.get("name") or source["secretName"]
                    items = source.get("items") or [{"key": ""}]
                    for item in items:
                        yield pod.owner, kind, called, item["key"], pod.namespace
    for gateway in manifests.of("Gateway"):
        for listener in gateway["spec"]["listeners"]:
            for secret in at(listener, "tls.certificateRefs", []):
                yield name(gateway), "Secret", secret["name"], "", space(gateway)
    for where, pod, container in each_container(manifests):
        for each in container.get("env", []):
            for way, kind in kinds.items():
                reference = at(each, f"valueFrom.{way}KeyRef")
                if reference and not reference.get("optional"):
                    key = reference["key"]
                    yield where, kind, reference["name"], key, pod.namespace
        for each in container.get("envFrom", []):
            for way, kind in kinds.items():
                reference = each.get(f"{way}Ref")
                if reference and not reference.get("optional"):
                    yield where, kind, reference["name"], "", pod.namespace


def routes_lead_to_services(manifests: Manifests) -> list[str]:
    """A route's Gateway and its Services exist, with the listener and the ports that it names."""
    found = []
    for each in manifests.of(*ROUTES):
        for parent in each["spec"]["parentRefs"]:
            door = manifests.find("Gateway", parent["name"], space(each))
            listeners = {
                listener["name"] for listener in at(door, "spec.listeners", [])
            }
            section = parent.get("sectionName")
            if door is None:
                found.append(f"{name(each)}: Gateway/{parent['name']} does not exist")
            elif section and section not in listeners:
                found.append(f"{name(each)}: {name(door)} has no listener {section}")
        for rule in each["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                target = manifests.find("Service", backend["name"], space(each))
                ports = at(target, "spec.ports", [])
                if backend["port"] not in {port["port"] for port in ports}:
                    found.append(
                        f"{name(each)}: Service/{backend['name']} has no port {backend['port']}"
                    )
    return found


RULES = (
    workloads_own_their_pods,
    selectors_find_pods,
    ports_are_there,
    monitors_find_services,
    stages_are_balanced_by_the_gateway,
    scalers_have_targets_of_their_own,
    volumes_and_mounts_agree,
    routes_lead_to_services,
)
