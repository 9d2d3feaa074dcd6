"""What is pruned from an image is what nothing reads, and all that loaded before still loads."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.images import prune


def _written(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    return root


def _gone(root: Path, *rooms: str) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in prune.superfluous(root, rooms or ["gateway"])
    }


def test_tests_stubs_and_sources_of_compiled_modules_go(tmp_path: Path) -> None:
    root = _written(
        tmp_path,
        "numpy/core.py",
        "numpy/core.pyi",
        "numpy/tests/test_core.py",
        "numpy/include/array.h",
        "onnx/backend/test/data/model.onnx",
        "yaml/_yaml.pyx",
        "yaml/_yaml.so",
    )
    assert _gone(root) == {
        "numpy/core.pyi",
        "numpy/tests",
        "numpy/include/array.h",
        "onnx/backend/test",
        "yaml/_yaml.pyx",
    }


def test_what_was_compiled_stays_and_goes_with_its_module(tmp_path: Path) -> None:
    root = _written(
        tmp_path,
        "antiphon/__pycache__/__init__.cpython-311.pyc",
        "antiphon/__pycache__/__main__.cpython-311.pyc",
        "gateway/__pycache__/session.cpython-311.pyc",
        "services/stt/__pycache__/service.cpython-311.pyc",
    )
    assert _gone(root) == {
        "antiphon/__pycache__/__main__.cpython-311.pyc",
        "services/stt",
    }


def test_what_is_left_says_nothing_of_rooms_that_are_gone(tmp_path: Path) -> None:
    information = "antiphon-0.1.0.dist-info"
    root = _written(
        tmp_path, "services/llm/prompt.py", f"{information}/direct_url.json"
    )
    (root / information / "RECORD").write_text(
        "gateway/session.py,sha256=changes-often,4711\n"
        "services/llm/prompt.py,sha256=stays,12\n"
        f"{information}/direct_url.json,sha256=changes-often,99\n"
        f"{information}/RECORD,,\n"
    )
    prune.forget(root)
    assert not (root / information / "direct_url.json").exists()
    assert (root / information / "RECORD").read_text() == (
        f"services/llm/prompt.py,sha256=stays,12\n{information}/RECORD,,\n"
    )


def test_what_only_sounds_like_tests_stays(tmp_path: Path) -> None:
    root = _written(tmp_path, "numpy/testing/a.py", "aiohttp/test_utils.py", "tests.py")
    assert _gone(root) == set()


def test_parts_of_packages_that_are_for_others_go(tmp_path: Path) -> None:
    root = _written(
        tmp_path,
        "onnxruntime/capi/libonnxruntime.so.1.32.0",
        "onnxruntime/capi/onnxruntime_pybind11_state.so",
        "onnxruntime/transformers/optimizer.py",
        "piper/tashkeel/__init__.py",
        "piper/tashkeel/model.onnx",
    )
    assert _gone(root) == {
        "onnxruntime/capi/libonnxruntime.so.1.32.0",
        "onnxruntime/transformers",
        "piper/tashkeel/model.onnx",
    }


def test_of_our_rooms_those_stay_that_are_named_and_what_all_need(
    tmp_path: Path,
) -> None:
    root = _written(
        tmp_path,
        "antiphon/__init__.py",
        "antiphon/cli/up.py",
        "antiphon/v1/stt_pb2.py",
        "gateway/session.py",
        "services/__init__.py",
        "services/runtime/server.py",
        "services/stt/engines/whisper.py",
        "services/tts/service.py",
    )
    assert _gone(root, "services/stt") == {"antiphon/cli", "gateway", "services/tts"}


def test_what_every_process_imports_is_there(tmp_path: Path) -> None:
    root = Path(prune.__file__).parents[2]
    assert all((root / room).exists() for room in prune.NEEDED_ROOMS)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A shared library that Python has loaded already, so that it is known to work."""
    import _ctypes

    if not _ctypes.__file__ or shutil.which("strip") is None:
        pytest.skip("this needs binutils, and a Python with modules of its own")
    return Path(shutil.copy(_ctypes.__file__, tmp_path / "_ctypes.so"))


def test_a_library_that_was_stripped_still_loads_and_is_no_larger(
    library: Path,
) -> None:
    before = library.stat().st_size
    assert prune.strip(library) == before - library.stat().st_size >= 0
    assert prune.loads(library)
    assert prune.libraries(library.parent) == [library]


def test_a_library_that_would_not_load_any_more_is_left_as_it_was(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = tmp_path / "bin" / "strip"
    breaking.parent.mkdir()
    breaking.write_text('#!/bin/sh\nprintf broken >"$2"\n')
    breaking.chmod(0o755)
    monkeypatch.setenv("PATH", str(breaking.parent), prepend=":")
    content = library.read_bytes()
    assert prune.strip(library) == 0
    assert library.read_bytes() == content
    assert ctypes.CDLL(str(library))


def test_it_says_what_it_saved(tmp_path: Path) -> None:
    _written(tmp_path, "services/stt/service.py")
    (tmp_path / "numpy.pyi").write_bytes(bytes(3_000_000))
    done = subprocess.run(
        [sys.executable, prune.__file__, tmp_path, "--rooms", "services/stt"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "3 MB, less 3 MB of files and 0 MB of symbols" in done.stdout
    assert not (tmp_path / "numpy.pyi").exists()


def test_a_library_that_wants_others_first_is_left_as_it_was(tmp_path: Path) -> None:
    library = tmp_path / "wanting.so"
    library.write_bytes(b"\x7fELF, and nothing that could be loaded")
    assert prune.libraries(tmp_path) == [library]
    assert prune.strip(library) == 0
    assert library.read_bytes().startswith(b"\x7fELF, and")
