"""Standard input of the test's own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal on standard input; yields where its keys are pressed."""
    keys, screen = os.openpty()
    with open(screen) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield keys
    os.close(keys)


@contextmanager
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe on standard input; yields its other end, to be closed by the test."""
    source, target = os.pipe()
    with open(source) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield target


@contextmanager
def nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input is /dev/null."""
    with open(os.devnull) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield
