"""What all tests of the engines on PyTorch stand on. Nothing is skipped because a package is missing: that is an error."""

import os
from collections import Counter
from importlib import metadata

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

EXTRAS = {
    "stt-parakeet": ("nemo-toolkit", "torch"),
    "tts-qwen3": ("qwen-tts", "transformers", "torch"),
}
"""Of ``pyproject.toml``, and the packages whose versions say what was tested."""


def pytest_configure(config: pytest.Config) -> None:
    missing = sorted(
        {name for names in EXTRAS.values() for name in names if _version(name) is None}
    )
    if missing:
        raise pytest.UsageError(
            f"tests/models needs {', '.join(missing)}: run it with `make test-models`"
        )
    import torch

    # Small models are slower on several threads.
    torch.set_num_threads(1)
    config.pluginmanager.register(_LastLine(), "last line")


class _LastLine:
    """Says in one line what ran, after all else."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._outcomes["failed" if report.when == "call" else "errors"] += 1
        elif report.skipped:
            self._outcomes["skipped"] += 1
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self._skipped[reason.removeprefix("Skipped: ")] += 1
        elif report.when == "call":
            self._outcomes["passed"] += 1

    def pytest_unconfigure(self) -> None:
        counted = ", ".join(f"{count} {what}" for what, count in self._outcomes.items())
        reasons = "; ".join(f"{count}: {why}" for why, count in self._skipped.items())
        extras = ", ".join(
            f"{extra} ({', '.join(f'{name} {_version(name)}' for name in names)})"
            for extra, names in EXTRAS.items()
        )
        print(
            f"test-models: {counted or 'nothing ran'}{f' [{reasons}]' if reasons else ''}; {extras}"
        )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
