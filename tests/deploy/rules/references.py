"""What pods and doors name must be there: volumes, accounts, claims, classes, configuration, Secrets."""

import re
from collections.abc import Iterator

from tests.deploy.manifests import Manifests, at, name, space
from tests.deploy.rules.pods import each_container


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
            told = kind == "Secret" and _told(called, page)
            if not told:
                found.append(f"{where}: {kind}/{called} does not exist")
            elif key and not re.search(rf"--from-\w+={re.escape(key)}(=|\s|$)", told):
                found.append(f"{where}: {kind}/{called} is made without {key}")
        elif key and key not in {
            *target.get("data", {}),
            *target.get("stringData", {}),
        }:
            found.append(f"{where}: {kind}/{called} has no {key}")
    return found


def _told(called: str, page: str) -> str:
    """The command by which the page makes a Secret; empty where it does not say."""
    command = rf"create secret \w+ {re.escape(called)}\b.*"
    return found.group() if (found := re.search(command, page)) else ""


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


RULES = (volumes_and_mounts_agree,)
"""Those that need no page."""
