"""The programs that these tests ask: those of their own environment, and what the machine may have."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
PATIENCE = 120.0
OLDEST_COMPOSE = (2, 24, 4)


def own(name: str) -> str:
    """Path of a program that the environment of these tests brings."""
    return str(Path(sys.executable).with_name(name))


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """What a program says; no test here changes anything outside its temporary folder.

    Raises:
        subprocess.TimeoutExpired: it hangs.
    """
    return subprocess.run(
        [str(part) for part in command],
        input=stdin,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def called(value: object) -> str:
    """What a parameter is called in a test's name."""
    if isinstance(value, Path):
        return value.relative_to(ROOT).as_posix().removeprefix("deploy/")
    return str(getattr(value, "__name__", value))


def has_compose() -> bool:
    """Whether Docker's compose is there, and new enough for our files; no engine is needed."""
    if shutil.which("docker") is None:
        return False
    said = run(["docker", "compose", "version", "--short"]).stdout
    numbers = re.findall(r"\d+", said)[:3]
    return tuple(map(int, numbers)) >= OLDEST_COMPOSE


def has_schemas() -> bool:
    """Whether Node.js, and what npm fetches for these tests, are there."""
    return (
        shutil.which("node") is not None
        and (SCHEMAS / "node_modules" / ".made-from").exists()
    )


needs_compose = pytest.mark.skipif(
    not has_compose(),
    reason="Docker's compose is missing or too old: compose files are NOT checked",
)
needs_schemas = pytest.mark.skipif(
    not has_schemas(),
    reason="Node.js, or what `make test-deploy` fetches for it, is missing: custom resources are NOT validated",
)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="Prometheus is missing: the autoscalers' queries are NOT parsed",
)
