"""The way in from outside the cluster: Gateway, routes, names, origins."""

from tests.deploy.manifests import Manifests, Resource, at, name, space
from tests.deploy.rules.pods import each_container, environment

ROUTES = ("HTTPRoute", "GRPCRoute")


def _door(manifests: Manifests, parent: Resource, route: Resource) -> Resource | None:
    """The Gateway that a route names, which may be in another namespace if it lets routes of others in."""
    where = parent.get("namespace", space(route))
    door = manifests.find("Gateway", parent["name"], where)
    if where == space(route):
        return door
    lets_in = [
        at(listener, "allowedRoutes.namespaces.from")
        for listener in at(door, "spec.listeners", [])
        if listener["name"] == parent.get("sectionName")
    ]
    return door if lets_in and "All" in lets_in else None


def routes_lead_to_services(manifests: Manifests) -> list[str]:
    """A route's Gateway and its Services exist, with the listener and the ports that it names."""
    found = []
    for each in manifests.of(*ROUTES):
        for parent in each["spec"]["parentRefs"]:
            door = _door(manifests, parent, each)
            listeners = {
                listener["name"] for listener in at(door, "spec.listeners", [])
            }
            section = parent.get("sectionName")
            if door is None:
                found.append(f"{name(each)}: Gateway/{parent['name']} does not exist")
            elif section and section not in listeners:
                found.append(f"{name(each)}: {name(door)} has no listener {section}")
        for rule in each["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                target = manifests.find("Service", backend["name"], space(each))
                ports = at(target, "spec.ports", [])
                if backend["port"] not in {port["port"] for port in ports}:
                    found.append(
                        f"{name(each)}: Service/{backend['name']} has no port {backend['port']}"
                    )
    return found


def names_of_the_door_agree(manifests: Manifests) -> list[str]:
    """A route's host names are its listener's, and the page's is an origin that the gateway takes for its own."""
    found = []
    for each in manifests.of(*ROUTES):
        hosts = set(each["spec"].get("hostnames", []))
        for parent in each["spec"]["parentRefs"]:
            door = _door(manifests, parent, each)
            listening = {
                listener.get("hostname")
                for listener in at(door, "spec.listeners", [])
                if listener["name"] == parent.get("sectionName")
            }
            if hosts != listening:
                found.append(
                    f"{name(each)}: is for {sorted(hosts)}, its listener for {sorted(map(str, listening))}"
                )
    origins = {
        origin.strip()
        for _, pod, container in each_container(manifests)
        for origin in environment(manifests, pod, container)
        .get("ANTIPHON_GATEWAY_ORIGINS", "")
        .split(",")
    }
    for each in manifests.of("HTTPRoute"):
        for host in each["spec"].get("hostnames", []):
            if f"https://{host}" not in origins:
                found.append(
                    f"{name(each)}: https://{host} is no origin of the gateway's"
                )
    return found


def routes_take_the_port_of_their_kind(manifests: Manifests) -> list[str]:
    """HTTP, or gRPC by HTTP/2 without TLS, which the Service has to say of its port."""
    kinds = {"HTTPRoute": ("http", None), "GRPCRoute": ("grpc", "kubernetes.io/h2c")}
    found = []
    for each in manifests.of(*ROUTES):
        for rule in each["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                target = manifests.find("Service", backend["name"], space(each))
                for port in at(target, "spec.ports", []):
                    said = (port["name"], port.get("appProtocol"))
                    if port["port"] == backend["port"] and said != kinds[each["kind"]]:
                        found.append(
                            f"{name(each)}: leads to a port {said[0]} that speaks {said[1] or 'HTTP/1'}"
                        )
    return found


def nobody_talks_without_tls(manifests: Manifests) -> list[str]:
    """By plain HTTP there is only the way to HTTPS."""
    found = []
    for each in manifests.of(*ROUTES):
        leads = any(rule.get("backendRefs") for rule in each["spec"]["rules"])
        for parent in each["spec"]["parentRefs"] if leads else []:
            for listener in at(_door(manifests, parent, each), "spec.listeners", []):
                met = parent.get("sectionName") in (None, listener["name"])
                if met and listener["protocol"] != "HTTPS":
                    found.append(
                        f"{name(each)}: is reached by {listener['protocol']} as well"
                    )
    return found


RULES = (
    routes_take_the_port_of_their_kind,
    nobody_talks_without_tls,
    routes_lead_to_services,
    names_of_the_door_agree,
)
