"""checkov reads the manifests as well: what others have learnt to look for, beside what we thought of ourselves."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.test_schemas import everything
from tests.deploy.tools import own, run

PASSED_OVER = {
    "CKV_K8S_11": "CPU limits: a process that stands still for a part of each 100 ms is heard (base/stt.yaml)",
    "CKV_K8S_15": "imagePullPolicy Always: tags are versions and do not move, and nodes start without the registry",
    "CKV_K8S_35": "Secrets as files alone: Hugging Face's client and the gateway's secret are read from variables",
    "CKV_K8S_43": "images by digest: whoever builds or mirrors them has digests of their own",
}
"""Checks that are not ours to keep, and why; all others are."""
CARELESS = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "careless", "namespace": "antiphon"},
    "spec": {
        "hostNetwork": True,
        "containers": [{"name": "careless", "image": "antiphon-stt:latest"}],
    },
}
"""Read along with the others, to see that anything is found at all."""

Failures = Mapping[str, set[str]]
"""By resource, the checks that it fails."""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Failures:
    folder: Path = tmp_path_factory.mktemp("manifests")
    for number, each in enumerate([*everything().resources, CARELESS]):
        file = folder / f"{number}.json"
        file.write_text(json.dumps(each), encoding="utf-8")
    arguments = ["--framework", "kubernetes", "--skip-download", "--compact"]
    arguments += ["--skip-check", ",".join(PASSED_OVER), "-o", "json"]
    done = run([own("checkov"), "-d", folder, *arguments])
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    found: dict[str, set[str]] = {}
    for each in report["results"]["failed_checks"]:
        what = f"{each['check_id']} {each['check_name']}"
        found.setdefault(each["resource"], set()).add(what)
    return found


def test_everything_passes_every_policy_that_is_ours(failures: Failures) -> None:
    assert {k: v for k, v in failures.items() if "careless" not in k} == {}


def test_a_careless_pod_does_not(failures: Failures) -> None:
    failed = {each.split()[0] for each in failures["Pod.antiphon.careless"]}
    # Privilege escalation, capabilities, seccomp, user, root file system, token, limits, tag, the host's network.
    assert {"CKV_K8S_20", "CKV_K8S_37", "CKV_K8S_31", "CKV_K8S_23"} <= failed
    assert {"CKV_K8S_22", "CKV_K8S_38", "CKV_K8S_13", "CKV_K8S_14"} <= failed
    assert "CKV_K8S_19" in failed
