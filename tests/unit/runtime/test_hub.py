"""A model of the Hub is downloaded once, stays what it was, and is loaded without the network."""

import errno
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub
import pytest
from filelock import FileLock

from services.runtime import hub
from services.runtime.errors import FailedPrecondition
from tests.fakes.hub import ScriptedHub, scripted_hub

MODEL = "someone/some-model"
FIRST, SECOND = "1" * 40, "2" * 40
FILES = {"config.json": b"{}", "weights.bin": b"weights " * 1000, "README.md": b"hi"}


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedHub]:
    with scripted_hub() as there:
        there.publish(MODEL, "main", FIRST, FILES)
        monkeypatch.setenv("HF_ENDPOINT", there.url)
        yield there


@pytest.fixture
def _nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")


def _cached(tmp_path: Path, commit: str, files: dict[str, bytes]) -> Path:
    """Lay files into the cache as other programs' downloads do."""
    folder = tmp_path / "hf" / "hub" / "models--someone--some-model"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for name, content in files.items():
        (snapshot / name).write_bytes(content)
    return snapshot


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("nvidia/parakeet", hub.Place("nvidia/parakeet")),
        ("a/b@main", hub.Place("a/b", "main")),
        ("a/b.c-1@refs/pr/3:voices/x.onnx", hub.Place("a/b.c-1", "refs/pr/3", "voices/x.onnx")),
        ("a/b:x.gguf", hub.Place("a/b", "", "x.gguf")),
        ("whisper-tiny-en", None),
        ("/models/parakeet", None),
        ("./a/b", None),
        ("~/models", None),
        ("a/b/c", None),
        ("a/b@", None),
    ],
)  # fmt: skip
def test_a_model_is_named_by_owner_name_revision_and_file(
    name: str, place: hub.Place | None
) -> None:
    assert hub.parse(name) == place


def test_every_model_that_is_known_is_pinned_to_a_commit() -> None:
    assert "nvidia/parakeet-tdt-0.6b-v3" in hub.known()
    for name, entry in hub.known().items():
        assert hub.parse(name) == hub.Place(name)
        assert len(entry.revision) == 40 and int(entry.revision, 16)
        assert entry.files and entry.about and entry.licence


def test_what_is_wanted_is_downloaded_and_nothing_else(far: ScriptedHub) -> None:
    folder = hub.fetch(MODEL, ["*.json", "weights.bin"])
    assert (folder / "weights.bin").read_bytes() == FILES["weights.bin"]
    assert sorted(far.downloads) == ["config.json", "weights.bin"]


def test_a_second_time_nothing_is_asked(far: ScriptedHub) -> None:
    folder = hub.fetch(MODEL)
    far.asked.clear()
    assert hub.fetch(MODEL) == folder
    assert hub.fetch(MODEL, ["config.json"]) == folder
    assert not far.asked


def test_what_was_not_wanted_before_is_downloaded_later(far: ScriptedHub) -> None:
    hub.fetch(MODEL, ["config.json"])
    far.asked.clear()
    folder = hub.fetch(MODEL, ["*.bin", "*.json"])
    assert far.downloads == ["weights.bin"]
    assert (folder / "config.json").is_file()


def test_a_model_stays_what_it_was_until_it_is_updated(far: ScriptedHub) -> None:
    said: list[str] = []
    assert hub.fetch(MODEL, say=said.append).name == FIRST
    assert any(f"main is {FIRST}" in line for line in said)
    far.publish(MODEL, "main", SECOND, FILES)
    assert hub.fetch(MODEL).name == FIRST
    assert hub.fetch(MODEL, update=True).name == SECOND
    assert hub.fetch(MODEL).name == SECOND


def test_it_stays_also_where_its_files_have_been_removed(
    far: ScriptedHub, tmp_path: Path
) -> None:
    hub.fetch(MODEL)
    far.publish(MODEL, "main", SECOND, FILES)
    (tmp_path / "hf").rename(tmp_path / "gone")
    assert hub.fetch(MODEL).name == FIRST
    assert (hub.fetch(MODEL) / "weights.bin").is_file()


def test_a_revision_may_be_asked_for_by_name_or_commit(far: ScriptedHub) -> None:
    far.publish(MODEL, "small", SECOND, {"config.json": b"small"})
    assert hub.fetch(f"{MODEL}@small").name == SECOND
    assert hub.fetch(MODEL, revision=SECOND).name == SECOND
    assert hub.fetch(f"{MODEL}@{FIRST}").name == FIRST
    assert hub.fetch(MODEL).name == FIRST


def test_a_model_that_is_known_comes_at_its_revision_and_in_its_files(
    far: ScriptedHub,
) -> None:
    name = "nvidia/parakeet-tdt-0.6b-v3"
    entry = hub.known()[name]
    files = {"parakeet-tdt-0.6b-v3.nemo": b"nemo", "model.safetensors": b"the same"}
    far.publish(name, "main", SECOND, files)
    far.publish(name, "older", entry.revision, files)
    folder = hub.fetch(name)
    assert folder.name == entry.revision
    assert [path.name for path in folder.iterdir()] == ["parakeet-tdt-0.6b-v3.nemo"]


def test_an_interrupted_download_is_not_taken_for_a_model_and_goes_on_where_it_was(
    far: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    far.lost.add("weights.bin")
    with pytest.raises(FailedPrecondition, match="not complete"):
        hub.fetch(MODEL)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FailedPrecondition, match="HF_HUB_OFFLINE"):
        hub.fetch(MODEL)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    far.lost.clear()
    far.asked.clear()
    assert (hub.fetch(MODEL) / "weights.bin").is_file()
    assert "config.json" not in far.downloads


def test_what_a_killed_download_has_left_is_deleted_and_what_is_on_its_way_is_not(
    far: ScriptedHub, tmp_path: Path
) -> None:
    hub.fetch(MODEL, ["config.json"])
    (blobs,) = tmp_path.rglob("blobs")
    killed = blobs / "abc.0f0f0f0f.incomplete"
    coming = blobs / "def.0f0f0f0f.incomplete"
    to_go_on_with = blobs / "ghi.incomplete"
    for part in (killed, coming, to_go_on_with):
        part.touch()
    locks = blobs.parents[1] / ".locks" / blobs.parent.name
    with FileLock(locks / "def.lock"):
        hub.fetch(MODEL)
    assert not killed.exists()
    assert coming.exists()
    assert to_go_on_with.exists()


def test_offline_a_model_that_was_fetched_is_there(
    far: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub.fetch(MODEL)
    far.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.fetch(MODEL) == folder
    assert not far.asked


@pytest.mark.usefixtures("_nobody_there")
@pytest.mark.parametrize("offline", ["1", ""])
def test_what_other_programs_have_downloaded_is_taken_where_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offline: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    snapshot = _cached(tmp_path, FIRST, FILES)
    assert hub.fetch(MODEL) == snapshot
    with pytest.raises(FailedPrecondition, match="not complete"):
        hub.fetch(MODEL, ["*.gguf"])
    part = snapshot.parents[1] / "blobs" / "abc.incomplete"
    part.parent.mkdir()
    part.touch()
    with pytest.raises(FailedPrecondition, match="not complete"):
        hub.fetch(MODEL)


def test_what_other_programs_have_downloaded_is_not_downloaded_again(
    far: ScriptedHub, tmp_path: Path
) -> None:
    snapshot = _cached(tmp_path, FIRST, FILES)
    assert hub.fetch(MODEL) == snapshot
    assert not far.downloads


@pytest.mark.usefixtures("_nobody_there")
def test_where_nobody_answers_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        hub.fetch(MODEL)
    assert f"antiphon fetch {MODEL}" in str(raised.value)
    assert str(tmp_path / "hf") in str(raised.value)


def test_a_folder_that_cannot_be_written_to_is_not_taken_for_a_network_that_is_down(
    far: ScriptedHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    with pytest.raises(FailedPrecondition) as raised:
        hub.fetch(MODEL)
    assert "cannot be kept in" in str(raised.value)
    assert str(tmp_path / "file") in str(raised.value)
    assert "network" not in str(raised.value)


def test_a_full_disk_is_named(
    far: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(FailedPrecondition, match=r"No space left.*HF_HOME"):
        hub.fetch(MODEL)


def test_two_that_fetch_at_once_both_have_it(far: ScriptedHub) -> None:
    with ThreadPoolExecutor(4) as several:
        folders = list(several.map(lambda _: hub.fetch(MODEL), range(4)))
    assert len(set(folders)) == 1
    assert (folders[0] / "weights.bin").read_bytes() == FILES["weights.bin"]
    far.asked.clear()
    hub.fetch(MODEL)
    assert not far.asked


def test_a_model_that_there_is_not_and_one_that_is_gated_are_told_apart(
    far: ScriptedHub,
) -> None:
    with pytest.raises(FailedPrecondition, match="none of this name"):
        hub.fetch("someone/else")
    far.gated.add(MODEL)
    with pytest.raises(FailedPrecondition, match="HF_TOKEN"):
        hub.fetch(MODEL)


def test_a_revision_or_a_file_that_there_is_not_is_named(far: ScriptedHub) -> None:
    with pytest.raises(FailedPrecondition, match="no revision 'v9'"):
        hub.fetch(f"{MODEL}@v9")
    with pytest.raises(FailedPrecondition, match=r"no other\.bin; it has: README\.md"):
        hub.fetch(MODEL, ["other.bin"])
    with pytest.raises(FailedPrecondition, match=r"no \*\.nemo"):
        hub.fetch(MODEL, ["*.nemo"])


@pytest.mark.parametrize("name", ["whisper", "a/b:c", "../b"])
def test_what_is_no_name_of_a_model_is_refused_before_anybody_is_asked(
    far: ScriptedHub, name: str
) -> None:
    with pytest.raises(FailedPrecondition, match="OWNER/NAME"):
        hub.fetch(name)
    assert not far.asked


def test_a_long_download_says_how_far_it_is(
    far: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PROGRESS_SECONDS", 0.01)
    far.flowing.clear()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if " of 0.1 MB" in line:
            far.flowing.set()

    far.publish(MODEL, "main", FIRST, {"weights.bin": bytes(100_000)})
    hub.fetch(MODEL, say=say)
    assert "fetching 0.1 MB" in said[1]
    assert "complete" in said[-1]


def test_without_a_place_for_the_hubs_files_they_lie_beside_the_other_models(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert hub.cache_folder() == tmp_path / "hf" / "hub"
    monkeypatch.delenv("HF_HOME")
    assert hub.cache_folder() == tmp_path / "models" / "hub"
    monkeypatch.delenv("ANTIPHON_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub.cache_folder() == tmp_path / "huggingface" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert hub.cache_folder() == tmp_path / "elsewhere"


def test_it_stays_also_where_only_the_hubs_files_can_be_written(
    far: ScriptedHub, tmp_path: Path
) -> None:
    # As in an image, which brings the models' folder and mounts the Hub's.
    (tmp_path / "models").write_text("no folder")
    hub.fetch(MODEL)
    asked = list(far.asked)
    far.publish(MODEL, "main", SECOND, FILES)
    assert hub.fetch(MODEL).name == FIRST
    assert far.asked == asked
