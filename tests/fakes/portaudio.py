"""Sound devices that follow a script: in place of the ``sounddevice`` package."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

import pytest


class Stream:
    """A device; the test calls its callback, as PortAudio would on a thread of its own."""

    opened: "ClassVar[list[Stream]]"

    def __init__(self, callback: Callable[..., None], **options: Any) -> None:
        self.callback = callback
        self.options = options
        self.running = False
        Stream.opened.append(self)

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        """Lets the device play what it has got."""
        self.running = False

    def close(self) -> None:
        assert not self.running, "a stream that is closed while it runs drops its end"


class OutputStream(Stream):
    def play(self, size: int) -> bytes:
        """What the listener hears next, in bytes."""
        out = bytearray(size)
        self.callback(out, size // 2, None, None)
        return bytes(out)


class InputStream(Stream):
    def hear(self, samples: bytes) -> None:
        self.callback(samples, len(samples) // 2, None, None)


class PortAudioError(Exception):
    pass


def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Let the code under test find these devices and no others."""
    module: Any = ModuleType("sounddevice")
    module.PortAudioError = PortAudioError
    module.RawInputStream = InputStream
    module.RawOutputStream = OutputStream
    Stream.opened = []
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module
