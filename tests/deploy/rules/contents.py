"""What manifests carry of other files, and ask of metrics, is what these files and metrics are."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from deploy.prometheus import queries
from tests.deploy.manifests import Manifests, Pod, Resource, at, name
from tests.deploy.rules.pods import each_container, environment, service
from tests.deploy.settings import metrics
from tests.deploy.tools import ROOT

DEPLOY = ROOT / "deploy"
JOBS = {"antiphon-gateway", "antiphon-stt", "antiphon-llm", "antiphon-tts"}
DOCKERFILES = {
    "gateway": ROOT / "gateway" / "Dockerfile",
    "stt": ROOT / "services" / "stt" / "Dockerfile",
    "llm": ROOT / "services" / "llm" / "Dockerfile",
    "llm-local": ROOT / "services" / "llm_local" / "Dockerfile",
    "tts": ROOT / "services" / "tts" / "Dockerfile",
}


@cache
def _files() -> dict[str, list[str]]:
    """Texts of the files that are deployed, by file name."""
    found: dict[str, list[str]] = {}
    for folder in (DEPLOY, ROOT / "services" / "runtime" / "telemetry"):
        for path in folder.rglob("*"):
            if path.suffix in (".json", ".yaml", ".yml", ".toml"):
                found.setdefault(path.name, []).append(path.read_text(encoding="utf-8"))
    return found


def configuration_is_current(manifests: Manifests) -> list[str]:
    """A file in a ConfigMap is one of this repository's, letter by letter."""
    found = []
    for each in manifests.of("ConfigMap"):
        for key, text in each.get("data", {}).items():
            if "." in key and text not in _files().get(key, []):
                found.append(
                    f"{name(each)}: {key} is no file under deploy/ as it stands"
                )
    return found


def watched_is_watched_whole(manifests: Manifests) -> list[str]:
    """Where there are rules or dashboards, there are all of them."""
    found = []
    carried = [
        _plain(group)
        for each in manifests.of("PrometheusRule")
        for group in each["spec"]["groups"]
    ]
    if carried:
        written = [
            _plain(group)
            for path in sorted(queries.RULES.glob("*.yml"))
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        ]
        found += [
            f"PrometheusRule: group {group['name']} is not as in {queries.RULES.name}/"
            for group in written
            if group not in carried
        ]
        found += [
            f"PrometheusRule: group {group['name']} is nobody's"
            for group in carried
            if group not in written
        ]
    dashboards = {path.name for path in queries.DASHBOARDS.glob("*.json")}
    shown = {
        key
        for each in manifests.of("ConfigMap")
        for key in each.get("data", {})
        if key.endswith(".json")
    }
    if shown and (left := sorted(dashboards - shown)):
        found.append(f"dashboards are left out: {', '.join(left)}")
    return found


def _plain(part: Any) -> Any:
    """The same with every run of blanks as one: kustomize adds some where it folds a text, and PromQL has no use for them."""
    if isinstance(part, dict):
        return {key: _plain(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_plain(each) for each in part]
    return " ".join(part.split()) if isinstance(part, str) else part


def scaling(manifests: Manifests) -> Iterator[tuple[str, str]]:
    """Where a scaler asks Prometheus, and what."""
    for each in manifests.of("ScaledObject"):
        for trigger in each["spec"]["triggers"]:
            if trigger["type"] == "prometheus":
                yield name(each), trigger["metadata"]["query"]


def scalers_ask_for_what_there_is(manifests: Manifests) -> list[str]:
    """Metrics that processes export or rules record, of jobs that are scraped."""
    known = metrics() | queries.recorded() | {"up"}
    found = []
    for where, query in scaling(manifests):
        for asked in queries.selectors(query):
            if asked.name not in known:
                found.append(f"{where}: nobody exports {asked.name}")
            for label, operator, value in asked.matchers:
                if label == "job" and operator == "=" and value not in JOBS:
                    found.append(f"{where}: no job is called {value}")
    return found


def named_files_are_there(manifests: Manifests) -> list[str]:
    """A file that a setting names is mounted, or comes with the image."""
    found = []
    for where, pod, container in each_container(manifests):
        for variable, value in environment(manifests, pod, container).items():
            names = variable.startswith("ANTIPHON_") and value.startswith("/etc/")
            there = _mounted(pod, container, value) or _in_image(container, value)
            if names and not there:
                found.append(f"{where}: {variable}={value} is nowhere")
    return found


def _mounted(pod: Pod, container: Resource, path: str) -> bool:
    for mount in container.get("volumeMounts", []):
        folder = PurePosixPath(mount["mountPath"])
        if folder == PurePosixPath(path):
            return True
        if not PurePosixPath(path).is_relative_to(folder):
            continue
        inside = str(PurePosixPath(path).relative_to(folder))
        for volume in pod.spec.get("volumes", []):
            if volume["name"] == mount["name"]:
                source = volume.get("secret") or volume.get("configMap") or {}
                items = source.get("items")
                return items is None or inside in {item["path"] for item in items}
    return False


def _in_image(container: Resource, path: str) -> bool:
    dockerfile: Path | None = DOCKERFILES.get(service(container))
    return dockerfile is not None and path in dockerfile.read_text(encoding="utf-8")


def traces_go_to_somebody(manifests: Manifests) -> list[str]:
    """The OTLP endpoint that processes are told is a Service with that port."""
    found = []
    for where, pod, container in each_container(manifests):
        told = environment(manifests, pod, container)
        endpoint = told.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
        called, _, port = endpoint.rpartition("//")[2].partition(":")
        if endpoint and "." not in called:
            target = manifests.find("Service", called, pod.namespace)
            ports = {str(each["port"]) for each in at(target, "spec.ports", [])}
            if port not in ports:
                found.append(f"{where}: {endpoint} is no Service of these")
    return found


RULES = (
    configuration_is_current,
    watched_is_watched_whole,
    scalers_ask_for_what_there_is,
    named_files_are_there,
    traces_go_to_somebody,
)
