"""Which processes make the CPU default on one machine, and on which ports."""

import errno
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations

from antiphon.cli.failures import CommandError
from antiphon.cli.interpreters import PYTHON, find_interpreter
from antiphon.cli.parts import PARTS, Part
from antiphon.cli.setting import EVERYWHERE, Setting, host_of, port_of, settings
from antiphon.cli.upstreams import point_at
from antiphon.supervisor import GrpcHealth, HttpHealth, Probe, ProcessSpec

_USUAL_UPSTREAM = "127.0.0.1:8081"
STOP_SECONDS = 10.0
"""For a process to end after SIGTERM; its running turns get half of it."""

# Engines that use more threads, or that spin while they wait, starve the others on a small machine.
_SHARED = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class BadPlan(CommandError):
    """The processes cannot be started like this; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a process will take.

    Attributes:
        name: of the process.
        number: of the port.
        variable: environment variable that moves it.
        host: address that it is taken on.
    """

    name: str
    number: int
    variable: str
    host: str


@dataclass(slots=True)
class Plan:
    """What to start.

    Attributes:
        specs: for the supervisor.
        ports: that they will take.
        models: in the catalogue, that they need.
        addresses: ``host:port`` by process, as others on this machine reach it.
        notes: sentences for people about what is not started.
        page: address of the gateway's page; empty without a gateway.
    """

    specs: list[ProcessSpec] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    page: str = ""


def plan(
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    log_level: str | None = None,
    for_people: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Plan:
    """The processes of the CPU default, as settings have them.

    Args:
        only: names; default: all, without the local language model where no upstream points at it.
        without: names to leave out.
        log_level: for all of them; default: their own settings.
        for_people: their logs are read on a terminal, though they cannot see it.
        environment: variables that the user has set.

    Raises:
        BadPlan: nothing is left, or two ports are the same.
        BadSetting: the settings file cannot be read, or a port is none.
        BadInterpreter: the packages of an engine that is chosen are not installed.
    """
    chosen = [
        part
        for part in PARTS
        if (not only or part.name in only) and part.name not in without
    ]
    if not chosen:
        raise BadPlan("nothing is left to start")
    setting = settings(environment)
    made = Plan()
    numbers = _numbers(chosen, setting)
    if not only and _local_is_idle(chosen, numbers, setting):
        chosen = [part for part in chosen if part.name != "llm-local"]
        made.notes.append(
            "llm-local is not started: none of the upstreams that are set points at it"
        )
    for part in chosen:
        host = host_of(part, setting)
        reached = "127.0.0.1" if host in EVERYWHERE else host
        variables: dict[str, str | None] = {**_SHARED}
        for name, _ in part.ports:
            number = numbers[part.variable(name)]
            variables[part.variable(name)] = str(number)
            made.ports.append(Port(part.name, number, part.variable(name), host))
        if log_level:
            variables[part.variable("log_level")] = log_level
        if for_people and setting(part, "log_format") is None:
            variables[part.variable("log_format")] = "console"
        serves_grpc = any(name == "metrics_port" for name, _ in part.ports)
        if serves_grpc and setting(part, "drain_seconds") is None:
            variables[part.variable("drain_seconds")] = str(STOP_SECONDS / 2)
        reached = f"[{reached}]" if ":" in reached else reached
        made.addresses[part.name] = f"{reached}:{variables[part.variable('port')]}"
        if part.name == "gateway":
            scheme = "https" if setting(part, "tls_cert") else "http"
            made.page = f"{scheme}://{reached}:{numbers[part.variable('http_port')]}/"
        variables |= _neighbours(part, made.addresses, setting)
        # It is ours; the process would warn that it knows no such setting.
        variables[part.variable(PYTHON)] = None
        engine = str(setting(part, "engine") or part.engine)
        made.specs.append(
            ProcessSpec(
                part.name,
                part.module,
                _probe(part, made.addresses[part.name], numbers, setting),
                environment=variables,
                after=part.after,
                python=find_interpreter(
                    part.name, engine, part.variable(PYTHON), environment
                ),
            )
        )
        if engine == part.engine:
            made.models += [
                model for name, model in part.models if setting(part, name) is None
            ]
    _refuse_equal(made.ports)
    return made


def taken(ports: Iterable[Port]) -> list[Port]:
    """Those that somebody else holds already."""
    return [port for port in ports if not _free(port.host, port.number)]


def _numbers(parts: Sequence[Part], setting: Setting) -> dict[str, int]:
    """The port of each variable; free ones, all different, where 0 asks for that."""
    numbers = {
        part.variable(name): port_of(part, name, setting(part, name), default)
        for part in parts
        for name, default in part.ports
    }
    named = set(numbers.values())
    # A port that is let go can be handed out again at once, so all are held until the last one is found.
    with ExitStack() as held:
        for variable, number in numbers.items():
            while not numbers[variable] or (not number and numbers[variable] in named):
                free = held.enter_context(socket.create_server(("127.0.0.1", 0)))
                numbers[variable] = free.getsockname()[1]
    return numbers


def _refuse_equal(ports: Sequence[Port]) -> None:
    """Two processes on one port would take each other's calls, or die again and again.

    Raises:
        BadPlan: two ports are the same.
    """
    for one, other in combinations(ports, 2):
        same_host = one.host == other.host or {one.host, other.host} & {*EVERYWHERE}
        if one.number == other.number and same_host:
            raise BadPlan(
                f"{one.variable} and {other.variable} are both {one.number}: change one of them"
            )


def _local_is_idle(
    parts: Sequence[Part], numbers: dict[str, int], setting: Setting
) -> bool:
    """Whether the local language model would run for nobody: the user has named upstreams, none of them this one."""
    named = {part.name: part for part in parts}
    if not {"llm", "llm-local"} <= named.keys():
        return False
    upstreams = setting(named["llm"], "upstreams")
    local = named["llm-local"]
    host = host_of(local, setting)
    return upstreams is not None and not point_at(
        upstreams, host, numbers[local.variable("port")], host in EVERYWHERE
    )


def _neighbours(
    part: Part, addresses: dict[str, str], setting: Setting
) -> dict[str, str]:
    """Variables that tell a process where the others are, where the user has not."""
    if part.name == "gateway":
        return {
            part.variable(name): addresses[name]
            for name in ("stt", "llm", "tts")
            if name in addresses and setting(part, name) is None
        }
    local = addresses.get("llm-local", _USUAL_UPSTREAM)
    if (
        part.name == "llm"
        and local != _USUAL_UPSTREAM
        and setting(part, "upstreams") is None
    ):
        upstream = {"name": "local", "base_url": f"http://{local}/v1", "slots": 4}
        return {part.variable("upstreams"): json.dumps([upstream])}
    return {}


def _probe(
    part: Part, address: str, numbers: dict[str, int], setting: Setting
) -> Probe:
    host, _, port = address.rpartition(":")
    if not part.service:
        return HttpHealth(host, int(port))
    if part.name == "gateway" and setting(part, "tls_cert"):
        # gRPC cannot ask without checking the certificate, which is not for the address that is asked here.
        # HTTP is listened for when all else is ready.
        return HttpHealth(
            host.strip("[]"), numbers[part.variable("http_port")], "/healthz", tls=True
        )
    return GrpcHealth(address, part.service)


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True
