"""Every process that takes a model's id on the Hub takes it in the same words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.llm_local.server import find_model
from services.runtime.errors import FailedPrecondition
from services.stt.engines.weights import find, find_file, publishers_name
from services.tts.engines import EngineOptions
from services.tts.engines.piper import load
from tests.fakes.hub import ScriptedHub, scripted_hub

MODEL = "someone/some-model"
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedHub]:
    with scripted_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield hub


def _publish(hub: ScriptedHub, *names: str) -> None:
    for branch, commit in (("main", FIRST), ("v2", SECOND)):
        # The Hub keeps equal contents once.
        contents = {name: f"{name} of {branch}".encode() for name in names}
        hub.publish(MODEL, branch, commit, contents)


@pytest.mark.parametrize(("revision", "branch"), [("", "main"), ("@v2", "v2")])
def test_the_local_language_model_may_be_a_file_of_the_hub(
    far: ScriptedHub, revision: str, branch: str
) -> None:
    _publish(far, "a.gguf", "b.gguf")
    path = find_model(f"{MODEL}{revision}:b.gguf")
    assert path.read_text() == f"b.gguf of {branch}"
    assert far.downloads == ["b.gguf"]


@pytest.mark.parametrize(("revision", "branch"), [("", "main"), ("@v2", "v2")])
def test_a_recognizer_may_be_a_repository_of_the_hub(
    far: ScriptedHub, revision: str, branch: str
) -> None:
    _publish(far, "model.bin", "config.json", "model.nemo", "README.md")
    folder = find(f"{MODEL}{revision}", ("*.json", "model.bin"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.bin",
    ]
    file = find_file(f"{MODEL}{revision}", ".nemo")
    assert file.read_text() == f"model.nemo of {branch}"


def test_a_voice_may_be_a_file_of_the_hub_and_its_description_comes_with_it(
    far: ScriptedHub,
) -> None:
    _publish(far, "en/joe.onnx", "en/joe.onnx.json", "en/amy.onnx")
    with pytest.raises(
        FailedPrecondition, match=r"joe\.onnx\.json .* does not describe"
    ):
        load(EngineOptions(model=f"{MODEL}@v2:en/joe.onnx", threads=1, voice_name=""))
    assert far.downloads == ["en/joe.onnx", "en/joe.onnx.json"]


def test_a_revision_is_no_part_of_a_models_name() -> None:
    assert publishers_name("Systran/faster-whisper-tiny.en@main") == "tiny.en"
