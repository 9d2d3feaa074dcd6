"""One process of a stage alone on one core; whoever speaks to it has the others."""

import asyncio
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import psutil

from antiphon.supervisor import GrpcHealth, HttpHealth, Probe

_START_SECONDS = 120.0


@dataclass(frozen=True)
class Running:
    """A process that is ready.

    Attributes:
        address: where it answers, ``host:port``.
        metrics: where it answers scrapers; empty: nowhere.
        process: itself.
        core: that it is bound to; None where it is not.
    """

    address: str
    metrics: str
    process: psutil.Process
    core: int | None

    async def shares(self, seconds: float) -> tuple[float, float]:
        """Cores that it uses from now on for so long, and the share of its own core that others take meanwhile."""
        own, all_of_it = self._own(), self._core()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(seconds)
        took = loop.time() - began
        own, all_of_it = self._own() - own, self._core() - all_of_it
        return own / took, min(1.0, max(0.0, all_of_it - own) / took)

    def _own(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def _core(self) -> float:
        """Seconds in which its core had something to do, or was taken from this machine."""
        if self.core is None:
            return self._own()
        times = psutil.cpu_times(percpu=True)[self.core]
        return float(sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0))

    def memory_mb(self) -> float:
        return round(self.process.memory_info().rss / 2**20, 1)

    async def series(self) -> int:
        """Prometheus series that it exports."""
        if not self.metrics:
            return 0
        text = await asyncio.to_thread(scrape, self.metrics)
        return sum(1 for line in text.splitlines() if line and line[0] != "#")


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


@contextmanager
def others() -> Iterator[list[int]]:
    """This process on all cores but the last one, which is left to the replica; the number of that one.

    Empty where there is but one core, or where processes cannot be bound to any.
    """
    core = last_core()
    if core is None:
        yield []
        return
    cores = psutil.Process().cpu_affinity()
    assert cores is not None
    psutil.Process().cpu_affinity([each for each in cores if each != core])
    try:
        yield [core]
    finally:
        psutil.Process().cpu_affinity(cores)


def last_core() -> int | None:
    """The core that replicas are bound to; None where there is but one, or where processes cannot be bound to any."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return cores[-1] if len(cores) > 1 else None


@asynccontextmanager
async def running(
    module: str,
    *arguments: str,
    cores: list[int],
    http: bool = False,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    """A process of ours, until the block ends.

    Args:
        module: that it runs.
        arguments: of its command line.
        cores: that it may use; none: any.
        http: it answers HTTP instead of gRPC, and has no metrics.
        environment: on top of ours.

    Raises:
        RuntimeError: it does not become ready.
    """
    port, metrics_port = free_port(), free_port()
    ports = [f"--port={port}"] + ([] if http else [f"--metrics-port={metrics_port}"])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *ports,
        "--log-level=warning",
        *arguments,
        env={**os.environ, **(environment or {})},
    )
    if cores:
        psutil.Process(process.pid).cpu_affinity(cores)
    address = f"127.0.0.1:{port}"
    probe: Probe = HttpHealth("127.0.0.1", port) if http else GrpcHealth(address)
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await probe.ready():
                if process.returncode is not None:
                    raise RuntimeError(f"{module} ended with {process.returncode}")
                await asyncio.sleep(0.1)
        yield Running(
            address,
            "" if http else f"http://127.0.0.1:{metrics_port}/metrics",
            psutil.Process(process.pid),
            cores[0] if cores else None,
        )
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
