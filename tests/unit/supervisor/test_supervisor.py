"""The supervisor with tiny processes that follow a script."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from antiphon.supervisor import (
    CannotStart,
    HttpHealth,
    ProcessSpec,
    RestartPolicy,
    State,
    Supervisor,
    WatchPolicy,
)

ROOT = Path(__file__).parents[3]
QUICK = RestartPolicy(first=0.01, longest=0.05, tries=3)


class Recorder:
    """An observer that remembers, and can be waited on."""

    def __init__(self) -> None:
        self.states: list[tuple[str, State]] = []
        self.lines: list[tuple[str, str]] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def changed(self, name: str, state: State, detail: str) -> None:
        self.states.append((name, state))
        self._tell()

    def line(self, name: str, text: str) -> None:
        self.lines.append((name, text))
        self._tell()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(holds)

    async def pids(self, name: str, count: int = 1) -> list[int]:
        """Of the lives that began so far; waits for so many."""
        await self.until(lambda: len(self._pids(name)) >= count)
        return self._pids(name)

    def _pids(self, name: str) -> list[int]:
        return [
            int(text.split()[-1])
            for who, text in self.lines
            if who == name and text.startswith("serving as")
        ]

    def _tell(self) -> None:
        async def tell() -> None:
            async with self._news:
                self._news.notify_all()

        task = asyncio.create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _spec(name: str, *script: str, after: tuple[str, ...] = ()) -> ProcessSpec:
    port = _free_port()
    return ProcessSpec(
        name,
        "tests.fakes.child",
        HttpHealth("127.0.0.1", port),
        (str(port), *script),
        {"PYTHONPATH": str(ROOT)},
        after,
    )


@asynccontextmanager
async def _running(
    *specs: ProcessSpec, grace: float = 10.0, watch: WatchPolicy | None = None
) -> AsyncIterator[tuple[Supervisor, Recorder]]:
    """All of them ready; stopped at the end."""
    recorder = Recorder()
    supervisor = Supervisor(specs, recorder, QUICK, grace, watch)
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(20):
            assert await supervisor.ready()
        yield supervisor, recorder
    finally:
        supervisor.stop()
        async with asyncio.timeout(20):
            await running


async def test_processes_start_after_those_they_need_and_stop_before_them(
    tmp_path: Path,
) -> None:
    journal = str(tmp_path / "journal")
    async with _running(
        _spec("gateway", "journal", journal, "gateway", after=("llm", "elsewhere")),
        _spec("llm", "journal", journal, "llm", after=("local",)),
        _spec("local", "journal", journal, "local"),
    ):
        pass
    assert (await asyncio.to_thread(Path(journal).read_text)).split("\n")[:-1] == [
        "start local",
        "start llm",
        "start gateway",
        "stop gateway",
        "stop llm",
        "stop local",
    ]


async def test_what_dies_is_started_again(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    async with _running(_spec("stt", "die-when", str(fifo))) as (_, recorder):
        with fifo.open("w"):
            pass
        await recorder.until(lambda: recorder.states.count(("stt", State.READY)) == 2)
        first, second = await recorder.pids("stt", 2)
        assert first != second
        assert not psutil.pid_exists(first)


async def test_what_hangs_is_killed_and_started_again() -> None:
    watch = WatchPolicy(every=0.05, answer=0.5, misses=2)
    async with _running(_spec("stt"), watch=watch) as (_, recorder):
        (hanging,) = await recorder.pids("stt")
        os.kill(hanging, signal.SIGSTOP)
        await recorder.until(lambda: recorder.states.count(("stt", State.READY)) > 1)
        assert not psutil.pid_exists(hanging)
        assert ("stt", State.RESTARTING) in recorder.states


async def test_what_answers_that_it_is_not_ready_any_more_is_left_in_peace() -> None:
    watch = WatchPolicy(every=0.01, answer=20, misses=2)
    async with _running(_spec("stt", "leave-after", "1"), watch=watch) as (_, recorder):
        await recorder.until(lambda: recorder.lines.count(("stt", "leaving")) >= 5)
        assert ("stt", State.RESTARTING) not in recorder.states


async def test_what_cannot_start_stops_everything_and_shows_what_it_said() -> None:
    recorder = Recorder()
    supervisor = Supervisor(
        [_spec("llm"), _spec("tts", "die-at-once", "3")], recorder, QUICK
    )
    async with asyncio.timeout(20):
        running = asyncio.create_task(supervisor.run())
        assert not await supervisor.ready()
        with pytest.raises(CannotStart, match=r"tts.*status 3") as failed:
            await running
    assert failed.value.lines == ("I cannot live like this",) * 3
    assert recorder.states.count(("tts", State.LOADING)) == 3
    assert recorder.states.count(("llm", State.STOPPED)) == 1


async def test_what_ignores_sigterm_is_killed_after_the_grace() -> None:
    async with _running(_spec("stt", "stubborn"), grace=0.2) as (_, recorder):
        pids = await recorder.pids("stt")
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_killing_does_not_wait_for_the_grace() -> None:
    async with _running(_spec("stt", "stubborn"), grace=1000) as (supervisor, recorder):
        supervisor.stop()
        await recorder.until(lambda: ("stt", State.STOPPING) in recorder.states)
        supervisor.kill()
    assert recorder.states[-1] == ("stt", State.STOPPED)


async def test_cancelling_leaves_nothing_running() -> None:
    recorder = Recorder()
    supervisor = Supervisor([_spec("stt", "stubborn")], recorder, QUICK)
    running = asyncio.create_task(supervisor.run())
    await supervisor.ready()
    pids = await recorder.pids("stt")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_grandchildren_end_with_their_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "held-by-the-grandchild"
    os.mkfifo(fifo)
    let_go = asyncio.create_task(asyncio.to_thread(fifo.read_bytes))
    async with _running(_spec("stt", "fork", str(fifo))):
        assert not let_go.done()
    async with asyncio.timeout(20):
        await let_go


async def test_a_variable_can_be_kept_from_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_TEST", "ours")
    spec = _spec("stt", "environment", "ANTIPHON_TEST")
    spec = replace(spec, environment={**spec.environment, "ANTIPHON_TEST": None})
    async with _running(spec) as (_, recorder):
        assert ("stt", "ANTIPHON_TEST=None") in recorder.lines


async def test_each_process_may_have_a_python_of_its_own(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "run by another"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    other = replace(_spec("stt"), python=str(python))
    async with _running(other, _spec("tts")) as (_, recorder):
        assert ("stt", "run by another") in recorder.lines
        assert ("tts", "run by another") not in recorder.lines


async def test_the_environment_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_TEST", "passed on")
    async with _running(_spec("stt", "environment", "ANTIPHON_TEST")) as (_, recorder):
        assert ("stt", "ANTIPHON_TEST=passed on") in recorder.lines


_ABANDONED = """
import asyncio, sys
from antiphon.supervisor import Supervisor
from tests.unit.supervisor.test_supervisor import Recorder, _spec

async def main():
    recorder = Recorder()
    supervisor = Supervisor([_spec("stt", "fork", sys.argv[1])], recorder)
    running = asyncio.create_task(supervisor.run())
    await supervisor.ready()
    print(*await recorder.pids("stt"), flush=True)
    await running

asyncio.run(main())
"""


async def test_processes_end_even_when_the_supervisor_is_killed(
    tmp_path: Path,
) -> None:
    fifo = tmp_path / "held-by-the-grandchild"
    os.mkfifo(fifo)
    let_go = asyncio.create_task(asyncio.to_thread(fifo.read_bytes))
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ABANDONED, str(fifo)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert supervisor.stdout is not None
    child = psutil.Process(int(await supervisor.stdout.readline()))
    assert not let_go.done()
    supervisor.send_signal(signal.SIGKILL)
    async with asyncio.timeout(20):
        await supervisor.wait()
        await asyncio.to_thread(child.wait, 20)
        await let_go
