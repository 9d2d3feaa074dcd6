"""The contract's check finds what breaks, and says when there is nothing to compare with."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GOOD = """// A contract.
syntax = "proto3";

package antiphon.v1;

// A message.
message Something {
  // A number.
  uint32 number = 1;
}
"""


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(
        ("git", *identity, *arguments), cwd=folder, check=True, capture_output=True
    )


def _commit(folder: Path, text: str) -> None:
    (folder / "protos" / "antiphon" / "v1" / "something.proto").write_text(text)
    _git(folder, "add", "-A")
    _git(folder, "commit", "-m", "a change", "--allow-empty")


def _check(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "buf").symlink_to(Path(sys.executable).parent / "buf")
    return subprocess.run(
        [folder / "scripts" / "contract.sh"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit on main, with a contract."""
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "protos" / "antiphon" / "v1").mkdir(parents=True)
    shutil.copy(ROOT / "protos" / "buf.yaml", folder / "protos")
    (folder / ".gitignore").write_text("/.venv/\n")
    _git(folder, "init", "-b", "main")
    _commit(folder, GOOD)
    return folder


def test_a_change_that_adds_passes(repository: Path) -> None:
    _commit(repository, GOOD.replace("}", "  // A word.\n  string word = 2;\n}"))
    checked = _check(repository)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Nothing breaks against" in checked.stdout


@pytest.mark.parametrize("committed", [True, False])
def test_a_field_that_changes_its_type_is_refused(
    repository: Path, committed: bool
) -> None:
    _commit(repository, GOOD)
    broken = GOOD.replace("uint32 number", "string number")
    if committed:
        _commit(repository, broken)
    else:
        (repository / "protos" / "antiphon" / "v1" / "something.proto").write_text(
            broken
        )
    checked = _check(repository)
    assert checked.returncode != 0
    assert "changed type" in checked.stdout + checked.stderr


def test_a_branch_is_compared_with_main(repository: Path) -> None:
    _git(repository, "checkout", "-b", "feature")
    _commit(repository, GOOD)
    _commit(repository, GOOD.replace("uint32 number", "string number"))
    _commit(repository, GOOD.replace("uint32 number", "string number"))
    assert _check(repository).returncode != 0


def test_what_nobody_commented_is_refused(repository: Path) -> None:
    _commit(repository, GOOD.replace("  // A number.\n", ""))
    assert _check(repository).returncode != 0


def test_without_an_earlier_contract_the_reason_is_said(repository: Path) -> None:
    checked = _check(repository)
    assert checked.returncode == 0
    assert "No earlier contract to compare with" in checked.stdout


def test_a_shallow_clone_passes(repository: Path, tmp_path: Path) -> None:
    _commit(repository, GOOD)
    shallow = tmp_path / "shallow"
    _git(tmp_path, "clone", "--depth", "1", f"file://{repository}", str(shallow))
    checked = _check(shallow)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "No earlier contract to compare with" in checked.stdout
