"""Kubernetes resources as Python reads them: rendered, found, and matched with each other."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.deploy.tools import ROOT, own, run

Resource = Mapping[str, Any]

FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = ROOT / "docs" / "kubernetes.md"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")


class RenderingError(Exception):
    """kubectl could not render a folder; it says why."""


def name(resource: Resource) -> str:
    """``Kind/name``, as complaints call it."""
    return f"{resource['kind']}/{resource['metadata']['name']}"


def at(resource: Any, path: str, otherwise: Any = None) -> Any:
    """What stands under a dotted path, or ``otherwise`` where a part of it is missing."""
    for key in path.split("."):
        if not isinstance(resource, Mapping) or resource.get(key) is None:
            return otherwise
        resource = resource[key]
    return resource


def matches(selector: Resource | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    selector = selector or {}
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions", []))


def _holds(expression: Resource, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"no operator of a selector: {expression['operator']}")


@dataclass(frozen=True, slots=True)
class Pod:
    """What a workload makes pods of.

    Attributes:
        owner: ``Kind/name`` of the workload.
        namespace: where its pods are.
        labels: of its pods.
        spec: of its pods.
    """

    owner: str
    namespace: str
    labels: Mapping[str, str]
    spec: Resource

    @property
    def component(self) -> str:
        """Which service of ours it is, or nothing."""
        return self.labels.get("app.kubernetes.io/component", "")

    @property
    def containers(self) -> list[Resource]:
        """All of its containers."""
        return [*self.spec.get("initContainers", []), *self.spec.get("containers", [])]

    @property
    def lasting(self) -> list[Resource]:
        """Its containers without those that run before the others and are done then."""
        before = self.spec.get("initContainers", [])
        beside = [each for each in before if each.get("restartPolicy") == "Always"]
        return [*beside, *self.spec.get("containers", [])]

    def port(self, wanted: str | int) -> int | None:
        """The number of a port by name or number; None where no container has it."""
        for container in self.lasting:
            for port in container.get("ports", []):
                if wanted in (port.get("name"), port["containerPort"]):
                    number: int = port["containerPort"]
                    return number
        return None


@dataclass(frozen=True)
class Manifests:
    """All resources that are applied together.

    Attributes:
        resources: in the order in which they were rendered.
    """

    resources: list[Resource] = field(repr=False)

    def of(self, *kinds: str) -> list[Resource]:
        """Those of these kinds."""
        return [each for each in self.resources if each["kind"] in kinds]

    def find(self, kind: str, called: str, namespace: str) -> Resource | None:
        """One of them."""
        for each in self.of(kind):
            if each["metadata"]["name"] == called and space(each) == namespace:
                return each
        return None

    def pods(self) -> Iterator[Pod]:
        """What every workload makes pods of."""
        for each in self.of(*WORKLOADS):
            template: Resource = each
            if each["kind"] == "CronJob":
                template = each["spec"]["jobTemplate"]["spec"]["template"]
            elif each["kind"] != "Pod":
                template = each["spec"]["template"]
            labels = at(template, "metadata.labels", {})
            yield Pod(name(each), space(each), labels, template["spec"])

    def chosen(self, selector: Resource | None, namespace: str) -> list[Pod]:
        """Pods of a namespace that a label selector takes."""
        return [
            pod
            for pod in self.pods()
            if pod.namespace == namespace and matches(selector, pod.labels)
        ]


def space(resource: Resource) -> str:
    """The namespace that a resource names; ``default`` where it names none."""
    return str(at(resource, "metadata.namespace", "default"))


def parse(text: str) -> Manifests:
    """Resources of a YAML stream; lists are opened."""
    return Manifests(list(_flat(yaml.load_all(text, yaml.CSafeLoader))))


def _flat(documents: Iterable[Any]) -> Iterator[Resource]:
    for document in documents:
        if document and document.get("kind") == "List":
            yield from _flat(document["items"])
        elif document:
            yield document


@cache
def render(folder: Path) -> Manifests:
    """What ``kubectl apply -k`` would send.

    Raises:
        RenderingError: kubectl refuses.
    """
    done = run([own("kubectl"), "kustomize", folder])
    if done.returncode:
        raise RenderingError(done.stderr)
    return parse(done.stdout)


def render_overlay(kustomization: Mapping[str, Any]) -> Manifests:
    """The same of an overlay that somebody might write; its paths are as in a folder beside ours.

    Raises:
        RenderingError: kubectl refuses.
    """
    with TemporaryDirectory() as folder:
        beside = Path(os.path.relpath(FOLDER / "overlays", Path(folder).resolve()))
        moved = dict(kustomization)
        for key in ("resources", "components"):
            paths = [str(beside / "any" / path) for path in kustomization.get(key, [])]
            moved[key] = [os.path.normpath(path) for path in paths]
        text = yaml.safe_dump(moved)
        (Path(folder) / "kustomization.yaml").write_text(text, encoding="utf-8")
        return render(Path(folder))


@cache
def mixture(components: tuple[str, ...]) -> Manifests:
    """The base with components."""
    chosen = [f"../../components/{each}" for each in components]
    return render_overlay({"resources": ["../../base"], "components": chosen})


def mixtures() -> list[tuple[str, ...]]:
    """Every choice of components that the page offers."""
    found = []
    for engines in (("cpu",), ("gpu",), ("gpu", "shared-cache")):
        for keys in ((), ("keys",)):
            # Without metrics nothing scales.
            for more in ((), ("observability",), ("observability", "production")):
                found.append((*engines, *keys, *more))
    return found


def documented(page: Path = PAGE) -> set[Path]:
    """Folders of ours that the page tells readers to apply or to render."""
    if not page.exists():
        return set()
    text = page.read_text(encoding="utf-8")
    return {ROOT / at for at in re.findall(r"\bdeploy/kubernetes/[\w./-]*\w", text)}


def folders() -> list[Path]:
    """Every folder that is rendered alone: the base and the overlays, not what they are put together from."""
    found = []
    for path in sorted(FOLDER.rglob("kustomization.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if document.get("kind") != "Component":
            found.append(path.parent)
    return found
