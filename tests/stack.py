"""The whole CPU default as real processes on free ports, for end-to-end tests and benchmarks."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

from antiphon.cli.parts import PARTS
from antiphon.cli.pipeline import Port, plan
from antiphon.supervisor import State, Supervisor


@dataclass
class Watch:
    """Keeps what the supervisor tells.

    Attributes:
        lines: what each process wrote.
        changes: every process that became ready, in order.
    """

    lines: dict[str, list[str]] = field(default_factory=dict)
    changes: asyncio.Queue[tuple[str, State]] = field(default_factory=asyncio.Queue)

    def changed(self, name: str, state: State, _detail: str) -> None:
        self.changes.put_nowait((name, state))

    def line(self, name: str, text: str) -> None:
        self.lines.setdefault(name, []).append(text)


@dataclass
class Stack:
    """Running processes.

    Attributes:
        addresses: by name.
        watch: what they did.
        ports: that they hold.
    """

    addresses: dict[str, str]
    watch: Watch
    ports: list[Port]

    @property
    def gateway(self) -> str:
        return self.addresses["gateway"]

    def url(self, name: str, setting: str, path: str) -> str:
        """Where a process answers HTTP, by the setting that holds the port."""
        port = self._port(name, setting)
        return f"http://{port.host}:{port.number}{path}"

    def process(self, name: str) -> psutil.Process:
        """The process that runs a part now."""
        part = next(part for part in PARTS if part.name == name)
        # Another stack may run the same part; no two hold the same port.
        port = self._port(name, "port")
        for child in psutil.Process().children(recursive=True):
            if part.module in child.cmdline() and child.environ().get(
                port.variable
            ) == str(port.number):
                return child
        raise LookupError(f"{name} does not run")

    def _port(self, name: str, setting: str) -> Port:
        variable = next(part for part in PARTS if part.name == name).variable(setting)
        return next(port for port in self.ports if port.variable == variable)

    async def until(self, name: str, state: State) -> None:
        """Wait until a process comes into a state, from now on."""
        while await self.watch.changes.get() != (name, state):
            pass


@asynccontextmanager
async def stack(
    environment: Mapping[str, str] | None = None, without: tuple[str, ...] = ()
) -> AsyncIterator[Stack]:
    """Start everything, wait until it is ready, and stop it at the end."""
    free = {part.variable(port): "0" for part in PARTS for port, _ in part.ports}
    made = plan(
        without=without, environment={**os.environ, **free, **(environment or {})}
    )
    for spec in made.specs:
        assert isinstance(spec.environment, dict)
        spec.environment.update(
            {name: value for name, value in (environment or {}).items()}
        )
    watch = Watch()
    supervisor = Supervisor(made.specs, watch)
    keeping = asyncio.create_task(supervisor.run())
    try:
        if not await supervisor.ready():
            await keeping
        while not watch.changes.empty():
            watch.changes.get_nowait()
        yield Stack(made.addresses, watch, made.ports)
    finally:
        supervisor.stop()
        await keeping
