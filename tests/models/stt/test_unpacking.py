"""Archives on a Python whose tarfile knows no filters: what is taken out of them, and what never is."""

import io
import tarfile
from pathlib import Path

import pytest

from services.stt.engines import parakeet_unpacking as unpacking
from services.stt.engines.parakeet_loading import restore


def test_a_checkpoint_loads_without_filters(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(unpacking, "NEEDED", True)
    assert type(restore(tiny, "cpu")).__name__ == "EncDecRNNTBPEModel"


def test_nothing_is_unpacked_outside_the_folder_nor_any_link(tmp_path: Path) -> None:
    archive, folder = tmp_path / "x.nemo", tmp_path / "inside"
    folder.mkdir()
    with tarfile.open(archive, "w") as made:
        for name in ("../evil", str(tmp_path / "absolute"), "good", "sub/good"):
            member = tarfile.TarInfo(name)
            member.size = 2
            made.addfile(member, io.BytesIO(b"ok"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    unpacking.Unpacking._unpack_nemo_file(str(archive), str(folder))
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert found == {"x.nemo", "inside", "inside/good", "inside/sub", "inside/sub/good"}
