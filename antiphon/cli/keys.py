"""The Enter key, without a thread and without what it writes on the terminal."""

import asyncio
import io
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from antiphon.cli.failures import CommandError

_READ_BYTES = 1_024
_LOCAL_FLAGS = 3
"""Where `termios.tcgetattr` has the flags that ECHO is one of."""


class NoKeys(CommandError):
    """There is nowhere to press a key; the message says what to do."""


class Enter:
    """Lines on standard input. Made by `enter_key`."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._ended = False

    def read(self, file: int) -> bool:
        """Take what is there to be read; False at the end of the input."""
        typed = os.read(file, _READ_BYTES)
        self._ended = not typed
        if self._ended or b"\n" in typed:
            self._news.set()
        return not self._ended

    async def pressed(self) -> bool:
        """Wait for Enter; pressed several times since the last wait, it counts once.

        Returns:
            False where the input has ended, as Ctrl-D does, and there will be no Enter any more.
        """
        await self._news.wait()
        if not self._ended:
            self._news.clear()
        return not self._ended


@contextmanager
def enter_key() -> Iterator[Enter]:
    """Watch the Enter key as long as the block runs; a terminal shows nothing of what is typed meanwhile.

    Raises:
        NoKeys: standard input is no terminal, nor anything else that can be waited for.
    """
    loop = asyncio.get_running_loop()
    enter = Enter()

    def read() -> None:
        if not enter.read(file):
            loop.remove_reader(file)

    try:
        file = sys.stdin.fileno()
        # Files and /dev/null cannot be waited for.
        loop.add_reader(file, read)
    except (AttributeError, ValueError, io.UnsupportedOperation, PermissionError):
        raise NoKeys(
            "push-to-talk needs a terminal to press Enter in; start the command in one, or choose another --turn-taking"
        ) from None
    try:
        with _unseen(file):
            yield enter
    finally:
        loop.remove_reader(file)


@contextmanager
def _unseen(file: int) -> Iterator[None]:
    """Let the terminal not show what is typed: it would tear what changes in place there."""
    if not os.isatty(file):
        yield
        return
    before = termios.tcgetattr(file)
    changed = termios.tcgetattr(file)
    changed[_LOCAL_FLAGS] &= ~termios.ECHO
    termios.tcsetattr(file, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(file, termios.TCSANOW, before)
