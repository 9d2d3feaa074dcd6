"""checkov reads the manifests as well: what others have learnt to look for, beside what we thought of ourselves."""

import json
from pathlib import Path

from tests.deploy.test_schemas import everything
from tests.deploy.tools import own, run

PASSED_OVER = {
    "CKV_K8S_11": "CPU limits: a process that stands still for a part of each 100 ms is heard (base/stt.yaml)",
    "CKV_K8S_15": "imagePullPolicy Always: tags are versions and do not move, and nodes start without the registry",
    "CKV_K8S_35": "Secrets as files alone: Hugging Face's client and the gateway's secret are read from variables",
    "CKV_K8S_43": "images by digest: whoever builds or mirrors them has digests of their own",
}
"""Checks that are not ours to keep, and why; all others are."""


def policies(folder: Path) -> set[tuple[str, str, str]]:
    """Check, what it is about, and resource, of everything that fails in a folder of rendered manifests."""
    arguments = ["--framework", "kubernetes", "--skip-download", "--compact"]
    arguments += ["--skip-check", ",".join(PASSED_OVER), "-o", "json"]
    done = run([own("checkov"), "-d", folder, *arguments])
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0, "checkov has read nothing"
    return {
        (each["check_id"], each["check_name"], each["resource"])
        for each in report["results"]["failed_checks"]
    }


def test_everything_passes_every_policy_that_is_ours(tmp_path: Path) -> None:
    for number, each in enumerate(everything().resources):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(each), encoding="utf-8")
    assert policies(tmp_path) == set()


def test_a_careless_pod_fails_them(tmp_path: Path) -> None:
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "careless", "namespace": "antiphon"},
        "spec": {
            "hostNetwork": True,
            "containers": [{"name": "careless", "image": "antiphon-stt:latest"}],
        },
    }
    (tmp_path / "pod.json").write_text(json.dumps(careless), encoding="utf-8")
    failed = {check for check, _, _ in policies(tmp_path)}
    # Privilege escalation, capabilities, seccomp, user, root file system, token, limits, tag, host's network.
    assert {"CKV_K8S_20", "CKV_K8S_37", "CKV_K8S_31", "CKV_K8S_23"} <= failed
    assert {"CKV_K8S_22", "CKV_K8S_38", "CKV_K8S_13", "CKV_K8S_14"} <= failed
    assert "CKV_K8S_19" in failed
