"""What the overlays are for, thing by thing: whoever takes one of these away breaks a promise of docs/kubernetes.md."""

import re
from functools import cache

import pytest
import yaml

from tests.deploy.manifests import (
    FOLDER,
    PAGE,
    Manifests,
    Pod,
    Resource,
    at,
    matches,
    mixture,
    render,
)
from tests.deploy.rules.admission import quantity
from tests.deploy.rules.contents import JOBS
from tests.deploy.rules.pods import STAGES, environment
from tests.deploy.settings import drain_seconds
from tests.deploy.tools import ROOT

PRODUCTION = render(FOLDER / "overlays" / "production")
GPU = render(FOLDER / "overlays" / "gpu")
OBSERVABILITY = render(FOLDER / "overlays" / "observability")
CPU = render(FOLDER / "overlays" / "cpu")
SERVICES = ("gateway", *STAGES)
CACHE = "/var/cache/antiphon"


def pod(manifests: Manifests, component: str) -> Pod:
    [found] = [each for each in manifests.pods() if each.component == component]
    return found


def one(manifests: Manifests, kind: str, called: str) -> Resource:
    found = manifests.find(kind, called, "antiphon")
    assert found, f"{kind}/{called}"
    return found


@pytest.mark.parametrize("overlay", [CPU, GPU, OBSERVABILITY, PRODUCTION])
@pytest.mark.parametrize("stage", STAGES)
def test_stages_are_headless_and_have_native_probes(
    overlay: Manifests, stage: str
) -> None:
    assert one(overlay, "Service", stage)["spec"]["clusterIP"] == "None"
    [container] = [c for c in pod(overlay, stage).lasting if c["name"] == stage]
    assert container["startupProbe"]["grpc"] and container["readinessProbe"]["grpc"]


@pytest.mark.parametrize("component", SERVICES)
def test_in_production_one_at_a_time_may_be_taken_away(component: str) -> None:
    budget = one(PRODUCTION, "PodDisruptionBudget", component)["spec"]
    labels = pod(PRODUCTION, component).labels
    assert matches(budget["selector"], labels) and budget["maxUnavailable"] == 1


@pytest.mark.parametrize("component", SERVICES)
def test_in_production_nodes_are_given_back(component: str) -> None:
    template = one(PRODUCTION, "Deployment", component)["spec"]["template"]
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
    volumes = [v["name"] for v in template["spec"]["volumes"] if "emptyDir" in v]
    assert template["metadata"]["annotations"][key] == ",".join(volumes)


@pytest.mark.parametrize("component", SERVICES)
def test_in_production_replicas_stand_apart(component: str) -> None:
    spec = pod(PRODUCTION, component).spec
    spread = {each["topologyKey"] for each in spec["topologySpreadConstraints"]}
    assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    # Each kind by itself: gateways are not spread around voices.
    for each in spec["topologySpreadConstraints"]:
        assert "app.kubernetes.io/component" in each["matchLabelKeys"]
        # As far as there are any: a cluster of one zone runs it, too.
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"
    assert spec["priorityClassName"] == "antiphon"


@pytest.mark.parametrize("component", SERVICES)
def test_in_production_replicas_follow_streams_open_over_capacity(
    component: str,
) -> None:
    scaler = one(PRODUCTION, "ScaledObject", component)["spec"]
    assert scaler["scaleTargetRef"]["name"] == component
    [trigger] = scaler["triggers"]
    query = trigger["metadata"]["query"]
    of_it = f'job="antiphon-{component}"'
    assert f'antiphon_streams_open{{namespace="antiphon",{of_it}}}' in query
    assert f'antiphon_streams_capacity{{namespace="antiphon",{of_it}}}' in query
    assert re.search(r"\) / avg\(antiphon_streams_capacity\{[^}]*\} > 0\)$", query)
    # Replicas' worth of streams, divided by how full each may be.
    assert trigger["metricType"] == "AverageValue"
    # An empty answer would be no load at all.
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert 0.5 <= float(trigger["metadata"]["threshold"]) < 1
    # Prometheus is in another namespace, and so is KEDA.
    address = trigger["metadata"]["serverAddress"]
    assert address == "http://prometheus-operated.monitoring:9090"
    # Two, so that one may go; and nobody is taken away while Prometheus is.
    assert 2 <= scaler["minReplicaCount"] <= scaler["fallback"]["replicas"]
    assert scaler["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert scaler["maxReplicaCount"] == {"llm": 10}.get(component, 20)
    assert "**At most** 20 of each, and 10 proxies" in PAGE.read_text(encoding="utf-8")
    down = scaler["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300
    # One at a time, and no faster than its clients and calls have gone elsewhere.
    [policy] = down["policies"]
    assert (policy["type"], policy["value"]) == ("Pods", 1)
    assert policy["periodSeconds"] >= (300 if component == "gateway" else 60)


@pytest.mark.parametrize("component", SERVICES)
def test_drains_and_grace_periods_are_those_of_the_page(component: str) -> None:
    spec = pod(PRODUCTION, component).spec
    [process] = [c for c in spec["containers"] if c["name"] == component]
    told = environment(PRODUCTION, pod(PRODUCTION, component), process)
    drain, grace = (
        f"{drain_seconds(component, told):g}",
        spec["terminationGracePeriodSeconds"],
    )
    row = rf"^\| [^|]*\b{component}\b[^|]* \| {drain} s \| {grace} s \|"
    assert re.search(row, PAGE.read_text(encoding="utf-8"), re.MULTILINE), row


def test_in_production_there_is_a_door_for_websockets_and_for_grpc() -> None:
    https = [
        listener
        for listener in one(PRODUCTION, "Gateway", "antiphon")["spec"]["listeners"]
        if listener["protocol"] == "HTTPS"
    ]
    assert https and all(each["tls"]["certificateRefs"] for each in https)
    [rule] = one(PRODUCTION, "HTTPRoute", "gateway")["spec"]["rules"]
    # Or a conversation would end with the implementation's limit for a request.
    assert rule["timeouts"]["request"] == "0s"
    assert one(PRODUCTION, "GRPCRoute", "gateway")["spec"]["rules"]


@pytest.mark.parametrize("component", ["stt", "tts"])
def test_on_gpus_engines_have_one_each_on_nodes_that_have_them(component: str) -> None:
    spec = pod(GPU, component).spec
    [server] = spec["containers"]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == 1
    tolerated = [
        each for each in spec["tolerations"] if each["key"] == "nvidia.com/gpu"
    ]
    assert [each["effect"] for each in tolerated] == ["NoSchedule"]
    wanted = at(spec, "affinity.nodeAffinity", {})
    assert wanted["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]


@pytest.mark.parametrize("component", ["stt", "tts"])
def test_on_gpus_weights_are_fetched_ahead_into_what_the_server_reads(
    component: str,
) -> None:
    engines = pod(GPU, component)
    [fetching] = engines.spec["initContainers"]
    [server] = engines.spec["containers"]
    assert fetching["image"] == server["image"]
    assert fetching["args"][-1] == f"services.{component}.prefetch"
    section = f"ANTIPHON_{component.upper()}_"
    fetched, served = (
        {
            key: value
            for key, value in environment(GPU, engines, container).items()
            if key in {f"{section}ENGINE", f"{section}MODEL", f"{section}DEVICE"}
        }
        for container in (fetching, server)
    )
    assert fetched == served and f"{section}ENGINE" in served
    mounts = [
        [m["name"] for m in container["volumeMounts"] if m["mountPath"] == CACHE]
        for container in (fetching, server)
    ]
    assert mounts == [["cache"], ["cache"]]
    # The image's user may write to it.
    assert engines.spec["securityContext"]["fsGroup"] == 10001
    # No GPU waits while weights are fetched by somebody who does not use it.
    assert "nvidia.com/gpu" not in at(fetching, "resources.limits", {})


@cache
def _of_compose() -> Resource:
    text = (ROOT / "deploy" / "compose" / "gpu.yaml").read_text(encoding="utf-8")
    services: Resource = yaml.safe_load(text)["services"]
    return services


@pytest.mark.parametrize("component", ["stt", "tts"])
def test_on_gpus_there_is_as_much_room_in_tmp_as_compose_gives(component: str) -> None:
    # NeMo unpacks an archive of 2.5 GB there, PyTorch compiles.
    [room] = [v for v in pod(GPU, component).spec["volumes"] if v["name"] == "tmp"]
    [mount] = _of_compose()[component]["tmpfs"]
    wanted = mount.partition("size=")[2].upper() + "i"
    assert quantity(room["emptyDir"]["sizeLimit"]) >= quantity(wanted)


def test_on_gpus_replies_come_from_gemma_by_a_secret() -> None:
    proxy = pod(GPU, "llm")
    [container] = proxy.lasting
    told = environment(GPU, proxy, container)
    assert told["ANTIPHON_CONFIG"] == "/etc/antiphon/gemma.yaml"
    [token] = [each for each in container["env"] if each["name"] == "HF_TOKEN"]
    assert token["valueFrom"]["secretKeyRef"]["name"] == "huggingface"


def test_a_volume_for_all_replicas_can_be_mounted_by_many_nodes() -> None:
    shared = mixture(("gpu", "shared-cache"))
    claim = one(shared, "PersistentVolumeClaim", "model-cache")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_no_manifest_holds_a_secret() -> None:
    for overlay in (CPU, GPU, OBSERVABILITY, PRODUCTION):
        assert overlay.of("Secret") == []


@pytest.mark.parametrize("component", SERVICES)
def test_what_is_watched_is_scraped_and_sends_its_traces(component: str) -> None:
    watched = pod(OBSERVABILITY, component)
    [monitor] = OBSERVABILITY.of("PodMonitor")
    assert matches(monitor["spec"]["selector"], watched.labels)
    assert watched.port("metrics")
    # A query over a minute wants more than one look at it.
    assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"
    relabelings = monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]
    # Rules, dashboards and autoscalers go by this.
    [job] = [each for each in relabelings if each.get("targetLabel") == "job"]
    assert job["sourceLabels"] == [
        "__meta_kubernetes_pod_label_app_kubernetes_io_component"
    ]
    assert job["replacement"].replace("$1", watched.component) in JOBS
    [process] = [c for c in watched.lasting if c["name"] == component]
    told = environment(OBSERVABILITY, watched, process)
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4317"


def test_a_replica_that_fetches_its_weights_is_no_target_that_is_down() -> None:
    [monitor] = OBSERVABILITY.of("PodMonitor")
    [end] = monitor["spec"]["podMetricsEndpoints"]
    phase = {
        "sourceLabels": ["__meta_kubernetes_pod_phase"],
        "regex": "Pending",
        "action": "drop",
    }
    assert phase in end["relabelings"]


def test_all_spans_of_a_trace_reach_the_same_collector() -> None:
    collector = one(OBSERVABILITY, "Deployment", "otel-collector")["spec"]
    assert collector.get("replicas", 1) == 1
    assert collector["strategy"] == {"type": "Recreate"}


def test_keys_follow_their_secret() -> None:
    [process] = pod(GPU, "gateway").lasting
    [keys] = [each for each in process["volumeMounts"] if each["name"] == "keys"]
    # The kubelet renews a folder; a file that is mounted alone stays as it was.
    assert "subPath" not in keys


def test_grafana_finds_the_dashboards() -> None:
    carried = [
        each
        for each in OBSERVABILITY.of("ConfigMap")
        if any(key.endswith(".json") for key in each["data"])
    ]
    assert carried
    for each in carried:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
