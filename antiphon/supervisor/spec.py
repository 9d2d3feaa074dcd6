"""What a process to be kept running is, and what is told about it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from antiphon.supervisor.health import Probe


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process.

    Attributes:
        name: what people call it.
        module: Python module to run, as ``python -m`` would.
        probe: tells when it is ready.
        arguments: its command line.
        environment: variables besides this process's own; None takes one away.
        after: names of processes that must be ready before it starts; it is stopped before they are. Names of
            processes that are not supervised are passed over.
        python: interpreter that runs it; default: this process's.
    """

    name: str
    module: str
    probe: Probe
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    python: str = sys.executable


class State(Enum):
    """Where a process is in its life."""

    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Observer(Protocol):
    """Is told what happens, on the event loop; must not block."""

    def changed(self, name: str, state: State, detail: str) -> None:
        """A process is in another state; ``detail`` says why, where there is more to say."""
        ...

    def line(self, name: str, text: str) -> None:
        """A process wrote a line."""
        ...
