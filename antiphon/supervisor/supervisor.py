"""Keeps a set of processes running until told to stop."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.supervisor.process import Child
from antiphon.supervisor.restarts import RestartPolicy, Restarts
from antiphon.supervisor.spec import Observer, ProcessSpec, State
from antiphon.supervisor.watch import WatchPolicy, until_silent

PROBE_SECONDS = 0.15
"""Between two questions to a process that is loading."""
WRONG_SETTINGS = 2
"""Exit status of our processes for settings that cannot be."""
LAST_LINES = 30
"""Lines of each process kept for the report of its death."""


class CannotStart(Exception):
    """A process died again and again without ever being ready.

    Attributes:
        name: which one.
        status: its last exit status; negative: the number of the signal that killed it.
        lines: what it wrote last.
    """

    def __init__(self, name: str, status: int, lines: Sequence[str]) -> None:
        super().__init__(f"{name} cannot start: it ended with {describe(status)}")
        self.name = name
        self.status = status
        self.lines = tuple(lines)


def describe(status: int) -> str:
    """An exit status in words."""
    return f"signal {-status}" if status < 0 else f"status {status}"


@dataclass(slots=True)
class _Kept:
    """A process and what is known about it."""

    spec: ProcessSpec
    restarts: Restarts
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    child: Child | None = None


class Supervisor:
    """Runs processes; `run` is its life."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        observer: Observer,
        policy: RestartPolicy | None = None,
        grace: float = 10.0,
        watch: WatchPolicy | None = None,
    ) -> None:
        """Prepare, start nothing.

        Args:
            specs: which processes; their names differ.
            observer: is told what happens.
            policy: when to restart what died.
            grace: seconds from SIGTERM to SIGKILL.
            watch: when to take a process for hanging that was ready; it is killed and started again.
        """
        policy = policy or RestartPolicy()
        self._kept = {spec.name: _Kept(spec, Restarts(policy)) for spec in specs}
        self._observer = observer
        self._grace = grace
        self._watch = watch or WatchPolicy()
        self._stopping = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._hopeless: CannotStart | None = None

    async def run(self) -> None:
        """Start everything and keep it running until `stop`; nothing runs any more when this returns or raises.

        Raises:
            CannotStart: a process was hopeless; all others were stopped.
        """
        async with asyncio.TaskGroup() as group:
            for kept in self._kept.values():
                group.create_task(self._keep(kept), name=f"keep {kept.spec.name}")
        if self._hopeless:
            raise self._hopeless

    async def ready(self) -> bool:
        """Wait until every process is ready, or `run` is stopping.

        Returns:
            Whether they are ready.
        """
        await _first(self._all_ready.wait(), self._stopping.wait())
        return not self._stopping.is_set()

    async def stopping(self) -> None:
        """Wait until everything is to stop, by `stop` or because a process is hopeless."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Stop everything, in reverse order."""
        self._stopping.set()

    def kill(self) -> None:
        """Stop everything at once."""
        self._stopping.set()
        for kept in self._kept.values():
            if kept.child:
                kept.child.kill()

    async def _keep(self, kept: _Kept) -> None:
        """All lives of one process."""
        try:
            await self._wait_for_others(kept)
            while not self._stopping.is_set():
                wait = await self._live(kept)
                if wait is None or self._stopping.is_set():
                    break
                await self._pause(wait)
        finally:
            kept.over.set()
        self._tell(kept, State.STOPPED)

    async def _wait_for_others(self, kept: _Kept) -> None:
        needed = [name for name in kept.spec.after if name in self._kept]
        if needed:
            self._tell(kept, State.WAITING, f"for {', '.join(needed)}")
        for name in needed:
            await _first(self._kept[name].ready.wait(), self._stopping.wait())

    async def _live(self, kept: _Kept) -> float | None:
        """One life of it.

        Returns:
            Seconds to wait before the next one; None: there shall be none.
        """
        loop = asyncio.get_running_loop()

        def say(text: str) -> None:
            kept.lines.append(text)
            self._observer.line(kept.spec.name, text)

        self._tell(kept, State.LOADING)
        began = loop.time()
        healthy_since: float | None = None
        hangs = False
        child = kept.child = await Child.start(kept.spec, say)
        ending = asyncio.create_task(child.ended())
        try:
            if await self._until_ready(kept, ending):
                healthy_since = loop.time()
                self._tell(kept, State.READY, f"after {healthy_since - began:.1f} s")
                kept.ready.set()
                if all(each.ready.is_set() for each in self._kept.values()):
                    self._all_ready.set()
                await _first(
                    asyncio.shield(ending),
                    self._stopping.wait(),
                    until_silent(kept.spec.probe, self._watch),
                )
                hangs = not ending.done() and not self._stopping.is_set()
                if hangs:
                    # One that is stopped would not even hear SIGTERM.
                    child.kill()
            if self._stopping.is_set() and not ending.done():
                await self._stop_child(kept, child, ending)
            status = await ending
        finally:
            kept.child = None
            ending.cancel()
            await asyncio.wait({ending})
        if self._stopping.is_set():
            return None
        healthy_for = None if healthy_since is None else loop.time() - healthy_since
        wait = (
            None if _hopeless(status, healthy_for) else kept.restarts.died(healthy_for)
        )
        if wait is None:
            self._hopeless = CannotStart(kept.spec.name, status, kept.lines)
            self._stopping.set()
        else:
            why = "answered no more" if hangs else f"ended with {describe(status)}"
            self._tell(kept, State.RESTARTING, f"in {wait:g} s; it {why}")
        return wait

    async def _until_ready(self, kept: _Kept, ending: asyncio.Task[int]) -> bool:
        """Ask until it is ready, it died, or everything is to stop."""
        while not ending.done() and not self._stopping.is_set():
            if await kept.spec.probe.ready():
                return not ending.done() and not self._stopping.is_set()
            await _first(
                asyncio.shield(ending),
                self._stopping.wait(),
                asyncio.sleep(PROBE_SECONDS),
            )
        return False

    async def _stop_child(
        self, kept: _Kept, child: Child, ending: asyncio.Task[int]
    ) -> None:
        """Wait for those that need it to be gone, then ask it to end, then make it."""
        needing = [
            each for each in self._kept.values() if kept.spec.name in each.spec.after
        ]
        for each in needing:
            await _first(asyncio.shield(ending), each.over.wait())
        self._tell(kept, State.STOPPING)
        child.terminate()
        await asyncio.wait({ending}, timeout=self._grace)
        child.kill()

    async def _pause(self, seconds: float) -> None:
        await _first(asyncio.sleep(seconds), self._stopping.wait())

    def _tell(self, kept: _Kept, state: State, detail: str = "") -> None:
        self._observer.changed(kept.spec.name, state, detail)


def _hopeless(status: int, healthy_for: float | None) -> bool:
    """Whether a process ended as one does whose settings are wrong: another try would end in the same way."""
    return status == WRONG_SETTINGS and healthy_for is None


async def _first(*waits: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
    """Wait for the first of several things to happen; the others are not waited for any more."""
    tasks = {asyncio.ensure_future(wait) for wait in waits}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
