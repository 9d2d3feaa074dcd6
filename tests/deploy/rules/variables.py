"""Every variable of ours that is given to a process is a setting."""

from collections.abc import Iterable, Mapping

from tests.deploy.manifests import Manifests
from tests.deploy.rules.pods import each_container, environment, service
from tests.deploy.settings import SHARED, settings

PORTS = {
    "grpc": ("PORT",),
    "http": ("HTTP_PORT", "PORT"),
    "metrics": ("METRICS_PORT",),
}
"""Settings of a port by its name, the likelier one first: what has no gRPC has one port alone."""


def unknown(names: Iterable[str]) -> list[str]:
    """Of these variables, those that are ours by name and no settings."""
    known = SHARED | set(settings())
    return sorted(n for n in names if n.startswith("ANTIPHON_") and n not in known)


def strange(called: str, names: Iterable[str]) -> list[str]:
    """Of these variables, those that are settings of another process than this one."""
    own = f"ANTIPHON_{called.upper().replace('-', '_')}_"
    others = "ANTIPHON_LLM_LOCAL_" if called == "llm" else None
    return sorted(
        n
        for n in names
        if n.startswith("ANTIPHON_")
        and n not in SHARED
        and (not n.startswith(own) or (others and n.startswith(others)))
    )


def complaints(where: str, called: str, told: Mapping[str, str]) -> list[str]:
    """What is wrong with the variables that a process is given."""
    nobodys = unknown(told)
    return [
        *(f"{where}: {each} is no setting" for each in nobodys),
        *(
            f"{where}: {each} is another process's"
            for each in strange(called, told)
            if each not in nobodys
        ),
    ]


def ports_are_where_the_process_listens(manifests: Manifests) -> list[str]:
    """What manifests call a port is the number that the process takes by its settings, or all that goes there is lost."""
    found = []
    for where, pod, container in each_container(manifests):
        called = service(container).upper().replace("-", "_")
        told = {**settings(), **environment(manifests, pod, container)}
        for port in container.get("ports", []) if called else []:
            listens = [
                told[variable]
                for name in PORTS.get(port.get("name", ""), ())
                if (variable := f"ANTIPHON_{called}_{name}") in told
            ]
            if str(port["containerPort"]) not in listens[:1]:
                found.append(
                    f"{where}: port {port.get('name')} is {port['containerPort']}, and it listens on {listens}"
                )
    return found


def variables_are_settings(manifests: Manifests) -> list[str]:
    """Of the process that gets them."""
    found = []
    for where, pod, container in each_container(manifests):
        told = dict(environment(manifests, pod, container))
        told |= {each["name"]: "" for each in container.get("env", [])}
        found += complaints(where, service(container), told)
    return found


RULES = (variables_are_settings, ports_are_where_the_process_listens)
