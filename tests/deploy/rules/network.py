"""Who may talk to whom, as NetworkPolicies say it: each wish is put to them the way a network would."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.deploy.manifests import Manifests, Pod, Resource, matches, space
from tests.deploy.rules.pods import COMPONENTS, NAMESPACE, STAGES


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection.

    Attributes:
        called: what complaints call it.
        namespace: of its pod; nothing outside the cluster.
        labels: of its pod.
        address: outside the cluster.
        pod: behind it, if it is one of ours.
        namespace_labels: of its namespace, beside the name that every namespace carries as a label.
    """

    called: str
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    address: str = ""
    pod: Pod | None = None
    namespace_labels: tuple[tuple[str, str], ...] = ()


# An address of the range that documentation is written with (RFC 5737).
INTERNET = Party("the internet", address="203.0.113.7")
# Of private networks (RFC 1918, RFC 6598, RFC 4193), and of a link.
AROUND = (
    *("10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1"),
    *("fd00::1", "fe80::1"),
)
NEIGHBOUR = Party("a pod of another namespace", "elsewhere", {"app": "neighbour"})
# CoreDNS; and what stands before it on a node: a pod where Cilium leads there, an address elsewhere, and GKE's own.
DNS = (
    Party("the cluster's DNS", "kube-system", {"k8s-app": "kube-dns"}),
    Party("the node's DNS", "kube-system", {"k8s-app": "node-local-dns"}),
    Party("NodeLocal DNSCache", address="169.254.20.10"),
    Party("GKE's Cloud DNS", address="169.254.169.254"),
)
PROMETHEUS = Party("Prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"})


def ours(manifests: Manifests) -> dict[str, Party]:
    """Our services' pods as ends of connections."""
    return {
        pod.component: Party(pod.component, pod.namespace, pod.labels, pod=pod)
        for pod in manifests.pods()
        if pod.component in COMPONENTS
    }


def allowed(
    manifests: Manifests, source: Party, target: Party, port: int, protocol: str = "TCP"
) -> bool:
    """Whether policies let a connection through: out of its source, and into its target.

    A party that no policy chooses for a direction may do all in that direction.
    """
    ways = (("Egress", source, target, "to"), ("Ingress", target, source, "from"))
    for way, subject, peer, key in ways:
        rules = list(_rules(manifests, subject, way))
        if rules and not any(
            _port(rule, target, port, protocol)
            and _peer(rule.get(key), peer, subject.namespace)
            for policy in rules
            for rule in policy
        ):
            return False
    return True


def _rules(manifests: Manifests, party: Party, way: str) -> Iterator[list[Resource]]:
    """The rules of each policy that chooses a pod for a direction."""
    for each in manifests.of("NetworkPolicy"):
        spec = each["spec"]
        default = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
        if (
            party.labels is not None
            and space(each) == party.namespace
            and matches(spec["podSelector"], party.labels)
            and way in spec.get("policyTypes", default)
        ):
            yield spec.get(way.lower()) or []


def _port(rule: Resource, target: Party, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    if not ports:
        return True
    for each in ports:
        wanted = each.get("port")
        if isinstance(wanted, str):
            wanted = target.pod.port(wanted) if target.pod else None
        last = each.get("endPort", wanted)
        if each.get("protocol", "TCP") == protocol and (
            "port" not in each or (wanted is not None and wanted <= port <= last)
        ):
            return True
    return False


def _peer(peers: list[Resource] | None, party: Party, namespace: str) -> bool:
    """Whether one of a rule's peers is this party; a rule without peers means everybody."""
    return not peers or any(_is(each, party, namespace) for each in peers)


def _is(peer: Resource, party: Party, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        if not party.address:
            return False
        address = ipaddress.ip_address(party.address)
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(
            address in ipaddress.ip_network(hole) for hole in block.get("except", [])
        )
    if party.labels is None:
        return False
    where = {
        "kubernetes.io/metadata.name": party.namespace,
        **dict(party.namespace_labels),
    }
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], where):
            return False
    elif party.namespace != namespace:
        return False
    return "podSelector" not in peer or matches(peer["podSelector"], party.labels)


def what_must_pass_passes(manifests: Manifests) -> list[str]:
    """Clients reach the gateway, the gateway its stages, a proxy its local model, and everybody a name."""
    parties = ours(manifests)
    gateway = parties["gateway"]
    wishes = []
    for client in (INTERNET, NEIGHBOUR):
        wishes += [
            (client, gateway, _number(gateway, p), "TCP") for p in ("http", "grpc")
        ]
    for stage in STAGES:
        wishes.append((gateway, parties[stage], _number(parties[stage], "grpc"), "TCP"))
    if "llm-local" in parties:
        local = parties["llm-local"]
        wishes.append((parties["llm"], local, _number(local, "http"), "TCP"))
    for party in parties.values():
        wishes += [(party, dns, 53, way) for dns in DNS for way in ("UDP", "TCP")]
    wishes += _watching(manifests, parties)
    return [
        f"{source.called} cannot reach {target.called} at {port}/{protocol}"
        for source, target, port, protocol in wishes
        if not allowed(manifests, source, target, port, protocol)
    ]


def _watching(
    manifests: Manifests, parties: dict[str, Party]
) -> Iterator[tuple[Party, Party, int, str]]:
    """What those need who watch: Prometheus the metrics, the collector the traces of all."""
    for monitor in manifests.of("PodMonitor"):
        for pod in manifests.chosen(monitor["spec"]["selector"], space(monitor)):
            party = parties[pod.component]
            yield PROMETHEUS, party, _number(party, "metrics"), "TCP"
    for pod in manifests.chosen(
        {"matchLabels": {"app.kubernetes.io/name": "otel-collector"}}, NAMESPACE
    ):
        collector = Party("the collector", NAMESPACE, pod.labels, pod=pod)
        for party in parties.values():
            yield party, collector, _number(collector, "otlp"), "TCP"


def _number(party: Party, port: str) -> int:
    number = party.pod.port(port) if party.pod else None
    if number is None:
        raise ValueError(f"{party.called} has no port {port}")
    return number


def what_must_not_pass_does_not(manifests: Manifests) -> list[str]:
    """Only the gateway is reachable, by its two doors; stages are reached from it alone, and reach nobody of ours."""
    parties = ours(manifests)
    found = []
    for target in parties.values():
        doors = {"http", "grpc"} if target.called == "gateway" else set()
        for called, port in _named_ports(target):
            strangers = [] if called in doors else [INTERNET, NEIGHBOUR]
            peers = [] if called in doors else parties.values()
            for source in [*strangers, *peers]:
                if source is target or _meant(source, target, called):
                    continue
                if allowed(manifests, source, target, port):
                    found.append(f"{source.called} can reach {target.called} at {port}")
    return found


def _meant(source: Party, target: Party, port: str) -> bool:
    pairs = {("gateway", stage, "grpc") for stage in STAGES}
    return (source.called, target.called, port) in {
        *pairs,
        ("llm", "llm-local", "http"),
    }


def _named_ports(party: Party) -> Iterator[tuple[str, int]]:
    for container in party.pod.lasting if party.pod else []:
        for port in container.get("ports", []):
            yield port.get("name", ""), port["containerPort"]


def only_who_must_goes_out(manifests: Manifests) -> list[str]:
    """The internet is for the proxy, and for pods that fetch their models before they start."""
    return [
        f"{party.called} can reach the internet"
        for party in ours(manifests).values()
        if party.called != "llm"
        and not any(map(_fetches, _containers(party)))
        and allowed(manifests, party, INTERNET, 443)
    ]


def the_internet_is_not_the_network_around(manifests: Manifests) -> list[str]:
    """Who may go out does not get at other pods, Services, nodes, or the cloud's server of credentials."""
    return [
        f"{party.called} can reach {address}"
        for party in ours(manifests).values()
        for address in AROUND
        if allowed(manifests, party, Party(address, address=address), 443)
    ]


def who_fetches_goes_out(manifests: Manifests) -> list[str]:
    """A pod that fetches its models, or asks models elsewhere, gets out by HTTPS."""
    found = []
    for party in ours(manifests).values():
        containers = _containers(party)
        keys = {each["name"] for c in containers for each in c.get("env", [])}
        if (any(map(_fetches, containers)) or "HF_TOKEN" in keys) and not allowed(
            manifests, party, INTERNET, 443
        ):
            found.append(
                f"{party.called} fetches from the internet, and cannot reach it"
            )
    return found


def _containers(party: Party) -> list[Resource]:
    return party.pod.containers if party.pod else []


def _fetches(container: Resource) -> bool:
    said = [*container.get("command", []), *container.get("args", [])]
    return any("prefetch" in word for word in said)


def what_nobody_allows_is_denied(manifests: Manifests) -> list[str]:
    """One policy takes every pod, both ways, and allows nothing: what no policy takes may do all."""
    for each in manifests.of("NetworkPolicy"):
        spec = each["spec"]
        silent = not spec.get("ingress") and not spec.get("egress")
        both = set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
        if space(each) == NAMESPACE and not spec["podSelector"] and both and silent:
            return []
    return [f"no NetworkPolicy denies all that others do not allow in {NAMESPACE}"]


RULES = (
    what_must_pass_passes,
    what_must_not_pass_does_not,
    only_who_must_goes_out,
    the_internet_is_not_the_network_around,
    who_fetches_goes_out,
    what_nobody_allows_is_denied,
)
