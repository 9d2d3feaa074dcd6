"""Every resource is what Kubernetes, and what extends it, take: no field that they don't know, none of another kind."""

import json
import re
from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import pytest

from tests.deploy.manifests import (
    PAGE,
    Manifests,
    Resource,
    folders,
    mixture,
    mixtures,
    name,
    parse,
    render,
)
from tests.deploy.tools import SCHEMAS, needs_schemas, run

NEWEST: str = kubernetes_validate.latest_version()
EXTENSIONS = {"gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com"}


def oldest() -> str:
    """The oldest version that the page promises."""
    found = re.search(r"Kubernetes\s+(\d+\.\d+) or newer", PAGE.read_text("utf-8"))
    assert found, f"{PAGE.name} does not say which versions of Kubernetes are meant"
    return found.group(1)


def is_extension(resource: Resource) -> bool:
    """Whether Kubernetes itself does not know this kind."""
    return resource["apiVersion"].partition("/")[0] in EXTENSIONS


def refused(manifests: Manifests, version: str) -> Iterator[str]:
    """What a version of Kubernetes does not take of its own kinds."""
    for each in manifests.resources:
        if not is_extension(each):
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                at = ".".join(str(part) for part in error.path)
                yield f"{name(each)}: {at}: {error.message}"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name(each)}: {error.message}"


def refused_by_extensions(manifests: Manifests) -> list[str]:
    """What KEDA, the Prometheus operator and the Gateway API do not take of theirs."""
    extensions = [each for each in manifests.resources if is_extension(each)]
    done = run(["node", SCHEMAS / "validate.mjs"], stdin=json.dumps(extensions))
    assert done.returncode == 0, done.stderr
    complaints: list[str] = json.loads(done.stdout)
    return complaints


@cache
def everything() -> Manifests:
    """Every resource of every overlay and mixture, once."""
    rendered = [*map(render, folders()), *map(mixture, mixtures())]
    once = {
        json.dumps(each, sort_keys=True): each
        for manifests in rendered
        for each in manifests.resources
    }
    return Manifests(list(once.values()))


@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_kubernetes_takes_everything(version: str) -> None:
    versions = {"oldest": oldest(), "newest": NEWEST}
    assert list(refused(everything(), versions[version])) == []


@needs_schemas
def test_what_extends_kubernetes_takes_everything() -> None:
    assert refused_by_extensions(everything()) == []


def test_a_field_that_kubernetes_does_not_know_is_refused() -> None:
    wrong = parse(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: stt}
        spec: {clusterIp: None, ports: [{port: 50051}]}
        """
    )
    assert len(list(refused(wrong, NEWEST))) == 1


def test_a_field_that_is_younger_than_the_oldest_version_is_refused() -> None:
    wrong = parse(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: stt}
        spec:
          containers:
            - name: stt
              image: antiphon-stt:0.1.0
              lifecycle: {stopSignal: SIGTERM}
        """
    )
    assert list(refused(wrong, NEWEST)) == []
    assert len(list(refused(wrong, oldest()))) == 1


@needs_schemas
@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("maxReplicas: 4", "/spec/maxReplicas is no field of it"),
        ("maxReplicaCount: four", "data/spec/maxReplicaCount must be integer"),
        (
            "advanced: {horizontalPodAutoscalerConfig: {behaviour: {}}}",
            "/spec/advanced/horizontalPodAutoscalerConfig/behaviour is no field of it",
        ),
    ],
)
def test_a_mistake_in_an_extension_is_refused(wrong: str, complaint: str) -> None:
    manifests = parse(
        f"""
        apiVersion: keda.sh/v1alpha1
        kind: ScaledObject
        metadata: {{name: stt}}
        spec:
          scaleTargetRef: {{name: stt}}
          triggers: [{{type: prometheus, metadata: {{query: up, threshold: "1"}}}}]
          {wrong}
        """
    )
    assert refused_by_extensions(manifests) == [f"ScaledObject/stt: {complaint}"]


@needs_schemas
def test_a_kind_that_nobody_has_a_schema_of_is_refused() -> None:
    wrong = parse("{apiVersion: keda.sh/v1, kind: ScaledObject, metadata: {name: stt}}")
    [complaint] = refused_by_extensions(wrong)
    assert "there is no schema of keda.sh/v1" in complaint
