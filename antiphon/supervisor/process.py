"""One life of a child process: started on a leash, its lines read, stopped with its whole group."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from antiphon.supervisor import leash
from antiphon.supervisor.spec import ProcessSpec

LONGEST_LINE = 4096
"""Bytes of a line; what is longer is broken."""


class Child:
    """A running process. Made by `start`; has to be waited for with `ended`."""

    def __init__(
        self, process: Process, output: int, held: int, say: Callable[[str], None]
    ) -> None:
        self._process = process
        self._output = output
        self._held = held
        self._say = say

    @classmethod
    async def start(cls, spec: ProcessSpec, say: Callable[[str], None]) -> Self:
        """Start one.

        Args:
            spec: which.
            say: is called with each line that it writes.

        Raises:
            OSError: the operating system would not.
        """
        # Pipes of our own: asyncio's would let a grandchild that keeps them open hide the child's end.
        leashed, held = os.pipe()
        output, written = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                spec.python,
                "-P",
                str(Path(leash.__file__)),
                spec.module,
                *spec.arguments,
                env=_environment(spec),
                stdin=leashed,
                stdout=written,
                stderr=written,
                # Ctrl-C on the terminal is for us alone: we stop the others, in order.
                start_new_session=True,
            )
        except BaseException:
            os.close(held)
            os.close(output)
            raise
        finally:
            os.close(leashed)
            os.close(written)
        return cls(process, output, held, say)

    async def ended(self) -> int:
        """Wait for its end, passing on what it writes.

        Returns:
            The exit status; negative: the number of the signal that killed it.
        """
        reading = asyncio.create_task(self._read_lines())
        try:
            return await self._process.wait()
        finally:
            # Whatever it started goes with it; and a caller who gave up waiting leaves nobody behind.
            self.kill()
            await self._process.wait()
            os.close(self._held)
            await reading

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            # It leads its own session, so its id is its group's. macOS denies permission where only zombies are left.
            os.killpg(self._process.pid, number)

    async def _read_lines(self) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(self._output, "rb")
        )
        try:
            rest = b""
            while chunk := await stream.read(8192):
                *lines, rest = (rest + chunk).split(b"\n")
                while len(rest) > LONGEST_LINE:
                    lines.append(rest[:LONGEST_LINE])
                    rest = rest[LONGEST_LINE:]
                for line in lines:
                    self._say(line.decode(errors="replace").rstrip("\r"))
            if rest:
                self._say(rest.decode(errors="replace"))
        finally:
            transport.close()


def _environment(spec: ProcessSpec) -> dict[str, str]:
    wanted = {**os.environ, "PYTHONUNBUFFERED": "1", **spec.environment}
    return {name: value for name, value in wanted.items() if value is not None}
