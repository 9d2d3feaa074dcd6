"""What holds for all tests."""

import os


def pytest_sessionstart() -> None:
    """Keep changes of ``os.environ``, pytest's own at each test among them, inside Python.

    gRPC's threads read the process's environment whenever a channel is opened. Where it changes at that moment, the
    process ends with a segmentation fault. Children are given their environment by name.
    """
    os.putenv = os.unsetenv = lambda *_: None
