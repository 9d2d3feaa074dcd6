"""What a server of Kubernetes refuses though its schemas let it through; there is none here to ask."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from tests.deploy.manifests import Manifests, Resource, at, name, space
from tests.deploy.rules.pods import each_container

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?")
_PORT = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([mkMGT]i?|)")
_UNITS = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
T = TypeVar("T")
LARGEST_APPLIED = 262_144
"""Bytes of all annotations together; ``kubectl apply`` keeps what it applied in one."""


def quantity(text: object) -> float:
    """The number behind a quantity, such as ``500m`` or ``2Gi``.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ValueError(f"no quantity: {text}")
    return float(found.group(1)) * _UNITS[found.group(2)]


def names_are_names(manifests: Manifests) -> list[str]:
    """Of resources, of what stands in pods, and what labels hold."""
    found = []
    for each in manifests.resources:
        if not _NAME.fullmatch(each["metadata"]["name"]):
            found.append(f"{name(each)}: is no name")
        for key, value in at(each, "metadata.labels", {}).items():
            if not isinstance(value, str) or not _LABEL.fullmatch(value):
                found.append(f"{name(each)}: label {key} cannot be {value}")
    for where, _, container in each_container(manifests):
        if not _NAME.fullmatch(container["name"]):
            found.append(f"{where}: is no name")
        for port in container.get("ports", []):
            called = port.get("name", "port")
            if len(called) > 15 or not _PORT.fullmatch(called):
                found.append(f"{where}: port {called} is no name of a port")
    return found


def nothing_is_said_twice(manifests: Manifests) -> list[str]:
    """Neither a resource, nor in a pod a container, volume, port, variable or place to mount."""
    found = [
        f"{kind}/{called} is there twice"
        for kind, called, _ in _twice(
            (each["kind"], each["metadata"]["name"], space(each))
            for each in manifests.resources
        )
    ]
    for pod in manifests.pods():
        for called in _twice(each["name"] for each in pod.containers):
            found.append(f"{pod.owner}: container {called} is there twice")
        for called in _twice(each["name"] for each in pod.spec.get("volumes", [])):
            found.append(f"{pod.owner}: volume {called} is there twice")
    for where, _, container in each_container(manifests):
        for part, key in (
            ("env", "name"),
            ("ports", "name"),
            ("ports", "containerPort"),
            ("volumeMounts", "mountPath"),
        ):
            listed = [each[key] for each in container.get(part, []) if key in each]
            for called in _twice(listed):
                found.append(f"{where}: {part} {called} is there twice")
    return found


def _twice(things: Iterable[T]) -> list[T]:
    return [thing for thing, times in Counter(things).items() if times > 1]


def nobody_asks_for_more_than_the_limit(manifests: Manifests) -> list[str]:
    """A request above its limit is refused; a GPU is asked for by its limit."""
    found = []
    for where, _, container in each_container(manifests):
        limits = at(container, "resources.limits", {})
        for resource, asked in at(container, "resources.requests", {}).items():
            if resource in limits and quantity(asked) > quantity(limits[resource]):
                found.append(
                    f"{where}: asks for {asked} of {resource}, and may have {limits[resource]}"
                )
    return found


def all_can_be_applied(manifests: Manifests) -> list[str]:
    """``kubectl apply`` writes what it applied into an annotation, and these have an end."""
    return [
        f"{name(each)}: {size} bytes do not go into an annotation"
        for each in manifests.resources
        if (size := _size(each)) > LARGEST_APPLIED
    ]


def _size(resource: Resource) -> int:
    return len(json.dumps(resource, separators=(",", ":")).encode())


RULES = (
    names_are_names,
    nothing_is_said_twice,
    nobody_asks_for_more_than_the_limit,
    all_can_be_applied,
)
