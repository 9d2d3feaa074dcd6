"""What holds of every project that compose makes of our files; a rule takes what ``docker compose config`` says."""

import ipaddress
import re
from collections.abc import Mapping

from tests.deploy.composed import Project, Service, ours
from tests.deploy.rules import variables
from tests.deploy.rules.contents import DOCKERFILES
from tests.deploy.rules.pods import is_pinned
from tests.deploy.settings import drain_seconds, version
from tests.deploy.tools import ROOT

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_ADDRESS = re.compile(r"dns:///([\w-]+):(\d+)")
WATCHERS = {"prometheus", "otel-collector"}
"""Those that reach every process, for what it tells of itself."""


def seconds(span: str) -> float:
    """Seconds of a span of time as compose writes it, such as ``1m30s``."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(span))


def environment(service: Service) -> Mapping[str, str]:
    """A service's variables; those that it would take from the shell are empty."""
    return {k: v or "" for k, v in service.get("environment", {}).items()}


def only_the_gateway_is_published(composed: Project) -> list[str]:
    """Of our services; and by its two doors alone, but for the media of calls, which are packets."""
    found = []
    for name, service in ours(composed).items():
        for port in service.get("ports", []):
            door = port["protocol"] == "udp" or port["target"] in (8080, 50050)
            if name != "gateway" or not door:
                found.append(f"{name}: port {port['target']} is published")
    return found


def what_is_published_is_on_loopback(composed: Project) -> list[str]:
    """Whoever wants others to come in says so; but for the media of calls, which come from elsewhere or not at all."""
    found = []
    for name, service in composed["services"].items():
        for port in service.get("ports", []):
            host = port.get("host_ip") or "0.0.0.0"
            if port["protocol"] != "udp" and not ipaddress.ip_address(host).is_loopback:
                found.append(f"{name}: port {port['target']} is open to {host}")
    return found


def all_are_contained(composed: Project) -> list[str]:
    """Those that watch as well: read-only, without capabilities, unable to gain any, out of the host's way."""
    found = []
    for name, service in composed["services"].items():
        if service.get("read_only") is not True:
            found.append(f"{name}: its root file system can be written to")
        if service.get("cap_drop") != ["ALL"]:
            found.append(f"{name}: does not drop ALL capabilities")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            found.append(f"{name}: may gain privileges")
        for key in ("privileged", "cap_add", "devices", "network_mode", "pid", "ipc"):
            if service.get(key):
                found.append(f"{name}: {key} {service[key]}")
        for volume in service.get("volumes", []):
            if "docker.sock" in volume.get("source", ""):
                found.append(f"{name}: holds Docker's socket")
            if volume["type"] == "bind" and not volume.get("read_only"):
                found.append(f"{name}: may write to {volume['source']}")
    return found


def ours_are_bounded(composed: Project) -> list[str]:
    """Memory, processes, logs and what is written to /tmp have an end."""
    found = []
    for name, service in ours(composed).items():
        if not int(service.get("mem_limit", 0)) > 0:
            found.append(f"{name}: no limit of memory")
        if not int(service.get("pids_limit", 0)) > 0:
            found.append(f"{name}: no limit of processes")
        if not service.get("logging", {}).get("options", {}).get("max-size"):
            found.append(f"{name}: its log grows without end")
        if not any(
            re.match(r"/tmp:.*size=", each) for each in service.get("tmpfs", [])
        ):
            found.append(f"{name}: no /tmp of a size")
    return found


def ours_come_back_and_say_how_they_are(composed: Project) -> list[str]:
    """Restarted, asked for their health, and started after those that they need are healthy."""
    found = []
    for name, service in ours(composed).items():
        if service.get("restart") != "unless-stopped":
            found.append(f"{name}: is not restarted")
        check = service.get("healthcheck", {})
        if check.get("disable") or check.get("test", ["CMD"])[0] == "NONE":
            found.append(f"{name}: its health is not asked for")
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] != "service_healthy":
                found.append(f"{name}: starts before {other} is healthy")
    return found


def nobody_is_killed_who_drains(composed: Project) -> list[str]:
    """Between the request to stop and the end by force there is more than the drain."""
    found = []
    for name, service in ours(composed).items():
        grace = seconds(service.get("stop_grace_period", "10s"))
        drain = drain_seconds(name, environment(service))
        if grace <= drain:
            found.append(f"{name}: killed after {grace:g} s, and may drain {drain:g} s")
    return found


def images_are_ours_or_pinned(composed: Project) -> list[str]:
    """Ours are built from their Dockerfiles and called by their names; others have a tag that stays."""
    found = []
    for name, service in composed["services"].items():
        if not is_pinned(service["image"]):
            found.append(f"{name}: image {service['image']} has no tag that stays")
        if name in DOCKERFILES:
            built = ROOT / service.get("build", {}).get("dockerfile", "")
            if built != DOCKERFILES[name]:
                found.append(f"{name}: is built from {built.relative_to(ROOT)}")
            if not service["image"].startswith(f"antiphon-{name}:{version()}"):
                found.append(f"{name}: its image is {service['image']}")
        if service.get("container_name"):
            found.append(f"{name}: has a name of its own, and so no second replica")
    return found


def variables_are_settings(composed: Project) -> list[str]:
    """Of the process that gets them, and none of another one's."""
    return [
        complaint
        for name, service in ours(composed).items()
        for complaint in variables.complaints(name, name, environment(service))
    ]


def keys_stay_where_they_are_needed(composed: Project) -> list[str]:
    """Keys of hosted models reach the proxy alone."""
    found = []
    for name, service in ours(composed).items():
        told = environment(service)
        for variable in told:
            of_upstreams = variable.endswith("_API_KEY")
            if of_upstreams and name != "llm":
                found.append(f"{name}: gets {variable}")
        if name != "llm" and told.get("HF_TOKEN"):
            found.append(f"{name}: gets the proxy's HF_TOKEN")
    return found


def the_gateway_finds_every_replica(composed: Project) -> list[str]:
    """Each stage by a name that is a service, at the port that it is told, on a network that both are on."""
    found = []
    services = ours(composed)
    gateway = services["gateway"]
    for stage in ("stt", "llm", "tts"):
        address = environment(gateway).get(f"ANTIPHON_GATEWAY_{stage.upper()}", "")
        parts = _ADDRESS.fullmatch(address)
        if parts is None or parts.group(1) not in services:
            found.append(f"gateway: {stage}: {address or 'nothing'} is no service")
            continue
        target = services[parts.group(1)]
        port = environment(target).get(f"ANTIPHON_{stage.upper()}_PORT")
        if port != parts.group(2):
            found.append(f"gateway: {address}, but {stage} listens at {port}")
        if not set(gateway["networks"]) & set(target["networks"]):
            found.append(f"gateway: is on no network with {stage}")
    return found


def stages_are_out_of_reach(composed: Project) -> list[str]:
    """The network of the stages leads nowhere, and of what is published only the gateway and those that watch are on it."""
    found = []
    inner = composed["networks"].get("stages", {})
    if not inner.get("internal"):
        found.append("stages: their network leads outside")
    for name, service in composed["services"].items():
        if "stages" in service.get("networks", {}):
            if name not in ours(composed) and name not in WATCHERS:
                found.append(f"{name}: is on the stages' network")
        elif name in ours(composed):
            found.append(f"{name}: is not on the stages' network")
        if name in ("stt", "tts", "llm-local") and "front" in service["networks"]:
            found.append(f"{name}: is on the clients' network")
    return found


def bound_files_are_there(composed: Project) -> list[str]:
    """What is mounted from the repository is in it."""
    return [
        f"{name}: {volume['source']} does not exist"
        for name, service in composed["services"].items()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
        and volume["source"].startswith(str(ROOT))
        and not (ROOT / volume["source"]).exists()
    ]


RULES = (
    only_the_gateway_is_published,
    what_is_published_is_on_loopback,
    all_are_contained,
    ours_are_bounded,
    ours_come_back_and_say_how_they_are,
    nobody_is_killed_who_drains,
    images_are_ours_or_pinned,
    variables_are_settings,
    keys_stay_where_they_are_needed,
    the_gateway_finds_every_replica,
    stages_are_out_of_reach,
    bound_files_are_there,
)
