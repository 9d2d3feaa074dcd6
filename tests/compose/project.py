"""A compose project of the tests' own: its containers, and what they tell of themselves."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "stt", "llm", "llm-local", "tts")
METRICS = {"gateway": 9460, "stt": 9461, "llm": 9462, "tts": 9463}
"""Ports of `/metrics` inside the containers."""

VERSION = os.environ.get("ANTIPHON_VERSION", "test")
"""Tag of the images under test; `scripts/test-compose.sh` builds them."""

START_SECONDS = 150
"""Within which all containers are to be healthy."""

_LOOK_AGAIN_SECONDS = 0.2
_EVENT_SECONDS = 60.0

IN_A_HURRY = {
    "ANTIPHON_GATEWAY_MAX_TOKENS": "12",
    "ANTIPHON_STT_CONNECTION_AGE": "4",
    "ANTIPHON_TTS_CONNECTION_AGE": "4",
}
"""Tokens of an answer, each of which is spoken in real time; and seconds until clients look for new replicas."""


class ComposeError(AssertionError):
    """A command that failed, with all that it wrote."""


def plain_environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what whoever runs the tests has set for pipelines of their own."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANTIPHON_", "COMPOSE_", "OTEL_"))
    }
    return {**others, "ANTIPHON_VERSION": VERSION, **(settings or {})}


async def docker(
    *arguments: str, environment: Mapping[str, str] | None = None, also: bool = False
) -> str:
    """What a command of Docker's client prints.

    Args:
        arguments: of the command.
        environment: all of it; that of this process otherwise.
        also: with what it writes to standard error.

    Raises:
        ComposeError: it failed.
    """
    __tracebackhide__ = True
    process = await asyncio.create_subprocess_exec(
        "docker",
        *arguments,
        cwd=ROOT,
        env=dict(environment or os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if also else subprocess.PIPE,
    )
    try:
        said, complained = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        told = (said + (complained or b"")).decode(errors="replace")
        raise ComposeError(f"docker {' '.join(arguments)}: {told}")
    return said.decode()


async def until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something that tells nobody when it happens is so.

    Args:
        true: says whether it is.
        what: for the failure.

    Raises:
        AssertionError: it never was.
    """
    try:
        async with asyncio.timeout(_EVENT_SECONDS):
            while not await true():  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    except TimeoutError:
        raise AssertionError(f"within {_EVENT_SECONDS:g} s not: {what}") from None


def free_ports() -> tuple[int, int]:
    """Two ports of this machine's loopback that nobody holds now."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@dataclass(frozen=True)
class Project:
    """Containers of one project name.

    Attributes:
        name: of the project.
        ports: published for gRPC and for HTTP.
        settings: that differ from those which the tests go by.
    """

    name: str
    ports: tuple[int, int] = field(default_factory=free_ports)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def gateway(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @cached_property
    def environment(self) -> dict[str, str]:
        """What compose gets to see; a user's .env file is left out."""
        grpc, http = self.ports
        return plain_environment(
            {
                **IN_A_HURRY,
                "ANTIPHON_GATEWAY_PORT": str(grpc),
                "ANTIPHON_GATEWAY_HTTP_PORT": str(http),
                **self.settings,
            }
        )

    async def compose(self, *arguments: str) -> str:
        """What a command of compose tells."""
        return await docker(
            "compose",
            "--project-name",
            self.name,
            "--env-file",
            os.devnull,
            *arguments,
            environment=self.environment,
            also=True,
        )

    async def up(self, **replicas: int) -> None:
        """Have so many replicas of services, otherwise one of each, and wait until all are healthy."""
        wanted = sorted(name for name in SERVICES for _ in range(replicas.get(name, 1)))
        if await self._healthy() == wanted:
            return
        scale = [f"--scale={name}={count}" for name, count in replicas.items()]
        await self.compose(
            "up",
            "--detach",
            "--no-build",
            "--no-recreate",
            "--wait",
            f"--wait-timeout={START_SECONDS}",
            *scale,
        )

    async def _healthy(self) -> list[str]:
        """Services of the containers that are."""
        filters = (f"label=com.docker.compose.project={self.name}", "health=healthy")
        told = await docker(
            "ps",
            *(f"--filter={each}" for each in filters),
            '--format={{.Label "com.docker.compose.service"}}',
        )
        return sorted(told.split())

    async def containers(self, service: str) -> list[dict[str, Any]]:
        """What the engine tells of a service's containers, stopped ones included, by their numbers."""
        labels = (f"project={self.name}", f"service={service}")
        filters = [f"--filter=label=com.docker.compose.{label}" for label in labels]
        ids = (await docker("ps", "--all", "--quiet", "--no-trunc", *filters)).split()
        found = await inspect(ids)
        return sorted(found, key=lambda each: int(number(each)))

    async def container(self, service: str) -> dict[str, Any]:
        """The only one."""
        (found,) = await self.containers(service)
        return found

    async def down(self) -> None:
        """Remove containers, networks and volumes."""
        await self.compose("down", "--volumes", "--remove-orphans", "--timeout=5")


async def inspect(ids: Iterable[str]) -> list[dict[str, Any]]:
    """What the engine tells of containers, images or networks."""
    wanted = list(ids)
    return list(json.loads(await docker("inspect", *wanted))) if wanted else []


def number(container: Mapping[str, Any]) -> str:
    """Which replica of its service it is."""
    labels = container["Config"]["Labels"]
    return str(labels["com.docker.compose.container-number"])


async def run_python(container: Mapping[str, Any], program: str) -> str:
    """What a program prints that runs beside the process in its container, as its user."""
    return await docker("exec", str(container["Id"]), "python", "-c", program)


async def samples(container: Mapping[str, Any], service: str) -> dict[str, float]:
    """What a replica counts, by metric and labels as they are written."""
    url = f"http://127.0.0.1:{METRICS[service]}/metrics"
    text = await run_python(
        container,
        f"import urllib.request as r; print(r.urlopen({url!r}).read().decode())",
    )
    lines = (line for line in text.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines)}
