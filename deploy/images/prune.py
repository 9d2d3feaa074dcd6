"""``python deploy/images/prune.py ROOT [--rooms ROOM...]`` takes out of an image's packages what no process of ours reads.

ROOT is a ``site-packages``, of others' packages or of our own code. What goes: tests, sources of compiled modules, stubs
and headers; parts of packages that are for training, converting or other programs (`UNUSED`); our own rooms but those
named; and the symbols of shared libraries that only debuggers read, by ``strip``. A library that loaded before has to
load afterwards.
"""

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDERS = frozenset({"test", "tests"})
"""Names of folders that go wherever they are."""

SUFFIXES = frozenset({".a", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pyi", ".pyx"})
"""Of files that go wherever they are."""

UNUSED = (
    "faster_whisper/assets",  # its own voice activity
    "numpy/distutils",
    "numpy/f2py",
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C; Python's module has the same inside
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "piper/*/*.onnx",  # networks that put vowels into Arabic and Hebrew
    "piper/img",
    "piper/templates",
    "piper/train",
)
"""Patterns of paths below ROOT: parts of packages that nothing of ours imports."""

ROOMS = ("antiphon", "gateway", "services")
"""Ours."""

NEEDED_ROOMS = (
    "antiphon/__init__.py",
    "antiphon/v1",
    "services/__init__.py",
    "services/runtime",
)
"""What every process imports."""

_LOAD = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"


def superfluous(root: Path, rooms: Iterable[str]) -> list[Path]:
    """What is to go: folders and files below ``root``, none inside another.

    Args:
        root: the ``site-packages``.
        rooms: paths of the rooms of ours that stay, as ``services/stt``.
    """
    kept = [root / room for room in (*NEEDED_ROOMS, *rooms)]
    found = {path for pattern in UNUSED for path in root.glob(pattern)}
    for path in root.rglob("*"):
        if path.relative_to(root).parts[0] in ROOMS:
            module = _module(path)
            unwanted = not any(_on_one_branch(module, room) for room in kept)
        elif path.is_dir():
            unwanted = path.name in FOLDERS
        else:
            unwanted = path.suffix in SUFFIXES
        if unwanted:
            found.add(path)
    return sorted(path for path in found if not found & set(path.parents))


def forget(root: Path) -> None:
    """Take what is gone out of the list of our own files, and the hash of the wheel that all came in.

    With them, a change to one service would change the images of all, and an upgrade would start all of them anew.

    Args:
        root: the ``site-packages``.
    """
    for information in root.glob("antiphon-*.dist-info"):
        (information / "direct_url.json").unlink(missing_ok=True)
        record = information / "RECORD"
        with record.open(newline="") as file:
            rows = [row for row in csv.reader(file) if (root / row[0]).exists()]
        with record.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def _module(path: Path) -> Path:
    """What a compiled module was made of, and where a folder of those lies; any other path as it is."""
    if path.name == "__pycache__":
        return path.parent
    if path.parent.name == "__pycache__":
        return path.parents[1] / f"{path.name.partition('.')[0]}.py"
    return path


def _on_one_branch(one: Path, other: Path) -> bool:
    """Whether one is the other, or lies in it, or holds it."""
    return one == other or one in other.parents or other in one.parents


def libraries(root: Path) -> list[Path]:
    """All shared libraries below ``root``, extension modules included."""
    return sorted(
        path
        for path in root.rglob("*.so*")
        if path.is_file()
        and not path.is_symlink()
        and path.read_bytes()[:4] == b"\x7fELF"
    )


def loads(library: Path) -> bool:
    """Whether it can be loaded into a Python."""
    command = [sys.executable, "-c", _LOAD, str(library)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def strip(library: Path) -> int:
    """Remove what only debuggers read, unless it would not load any more; returns the bytes that it saved."""
    before = library.stat()
    if not loads(library):
        return 0  # it wants others to be loaded first, and nobody could tell whether it still does
    original = library.with_name(f"{library.name}.original")
    shutil.copy2(library, original)
    subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)
    if loads(library):
        original.unlink()
    else:
        original.replace(library)
    return before.st_size - library.stat().st_size


def main() -> None:
    """Prune as the command line says, and tell what it saved."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("root", type=Path, help="the folder of packages")
    parser.add_argument(
        "--rooms", nargs="+", default=(), help="rooms of ours that stay; default: none"
    )
    chosen = parser.parse_args()
    before = size(chosen.root)
    for path in superfluous(chosen.root, chosen.rooms):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    forget(chosen.root)
    removed = before - size(chosen.root)
    stripped = sum(strip(library) for library in libraries(chosen.root))
    print(
        f"{chosen.root}: {before / 1e6:.0f} MB, less {removed / 1e6:.0f} MB of files and {stripped / 1e6:.0f} MB of symbols"
    )


def size(root: Path) -> int:
    """Bytes of all files below ``root``."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
