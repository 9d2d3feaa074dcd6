"""Continuous integration uses the engine that is there, and goes on without one where none can be had."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("awk", "bash", "cat", "dirname", "env", "grep", "head", "id", "mktemp", "rm")
TOOLS += ("sort", "timeout", "tr", "xargs")
TELL = 'echo "host=${DOCKER_HOST:-} without=${WITHOUT_CONTAINERS:-}"; exit 7'


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that has no package manager and no engine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def add(tools: Path, name: str, script: str) -> None:
    """Put a program there."""
    (tools / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
    (tools / name).chmod(0o755)


def run(tools: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "tmp").mkdir()
    return subprocess.run(
        (ROOT / ".ci" / "with-containers", "bash", "-c", TELL),
        env={"PATH": str(tools), "TMPDIR": str(tmp_path / "tmp"), "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_engine_that_answers_is_used_as_it_is(tools: Path, tmp_path: Path) -> None:
    add(tools, "docker", 'case "$1" in compose) echo v2.30.1 ;; esac')
    ran = run(tools, tmp_path)
    assert (ran.stdout, ran.returncode) == ("host= without=\n", 7), ran.stderr


def test_without_an_engine_the_command_runs_and_is_told_why(
    tools: Path, tmp_path: Path
) -> None:
    ran = run(tools, tmp_path)
    assert ran.returncode == 7, ran.stderr
    told = ran.stdout.partition("without=")[2].strip()
    assert told
    assert f"!!! No images are built and no containers run here: {told}" in ran.stderr


def test_without_an_image_to_build_on_the_command_is_told_why(
    tools: Path, tmp_path: Path
) -> None:
    answers = (
        'case "$1" in compose) echo 2.30.1 ;; image) exit 1 ;; '
        "pull) echo no such host >&2; exit 1 ;; esac"
    )
    add(tools, "docker", answers)
    ran = run(tools, tmp_path)
    assert ran.returncode == 7, ran.stderr
    assert "neither be pulled nor made" in ran.stdout
    assert "no such host" in ran.stdout


def test_nothing_is_left_of_what_was_made_on_the_way(
    tools: Path, tmp_path: Path
) -> None:
    add(tools, "docker", 'case "$1" in compose) echo 2.30.1 ;; esac')
    run(tools, tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
