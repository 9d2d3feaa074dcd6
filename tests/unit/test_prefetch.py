"""A process's models are fetched ahead by the settings that it will run with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pytest

from gateway import prefetch as gateway
from services.llm_local import prefetch as llm_local
from services.runtime import models
from services.runtime.errors import FailedPrecondition
from services.stt import prefetch as stt
from services.stt.engines import ENGINES as RECOGNIZERS
from services.stt.engines.weights import DEFAULT_MODELS
from services.tts import prefetch as tts
from services.tts.engines import ENGINES as VOICES
from services.tts.engines.vits import split
from tests.fakes.hub import ScriptedHub, scripted_hub

MODEL = "someone/some-model"
COMMIT = "1" * 40


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["prefetch"])
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedHub]:
    with scripted_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def test_what_the_settings_name_is_fetched_and_its_place_told(
    far: ScriptedHub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    far.publish(MODEL, "main", COMMIT, {"a.gguf": b"a", "b.gguf": b"b"})
    monkeypatch.setenv("ANTIPHON_LLM_LOCAL_MODEL", f"{MODEL}:b.gguf")
    llm_local.main()
    place = capsys.readouterr().out.removeprefix(f"{MODEL}:b.gguf: in ").strip()
    assert Path(place).read_bytes() == b"b"
    assert far.downloads == ["b.gguf"]


def test_each_engine_gets_what_it_loads_and_no_more(
    far: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"config.json": b"{}", "model.bin": b"w", "x.nemo": b"n", "README.md": b"r"}
    far.publish(MODEL, "main", COMMIT, files)
    monkeypatch.setenv("ANTIPHON_STT_MODEL", MODEL)
    monkeypatch.setenv("ANTIPHON_STT_ENGINE", "parakeet")
    stt.main()
    assert far.downloads == ["x.nemo"]
    monkeypatch.setenv("ANTIPHON_STT_ENGINE", "whisper")
    stt.main()
    assert sorted(far.downloads[1:]) == ["config.json", "model.bin"]
    monkeypatch.setenv("ANTIPHON_TTS_MODEL", MODEL)
    monkeypatch.setenv("ANTIPHON_TTS_ENGINE", "qwen3")
    tts.main()
    assert sorted(far.downloads[3:]) == ["README.md"]


def test_what_cannot_be_had_ends_it_with_a_reason(
    far: ScriptedHub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ANTIPHON_LLM_LOCAL_MODEL", "someone/else:b.gguf")
    with pytest.raises(SystemExit) as left:
        llm_local.main()
    assert left.value.code == 1
    assert "someone/else cannot be fetched" in capsys.readouterr().err


@pytest.mark.parametrize("room", ["gateway", "services.llm_local", "services.stt"])
def test_models_of_the_catalogue_are_fetched_by_their_names(
    room: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(subprocess, "run", partial(subprocess.run, env=os.environ))
    with pytest.raises(SystemExit):
        import_module(f"{room}.prefetch").main()
    # Nobody has them here, so that the first is asked for and none is kept.
    assert list((tmp_path / "models").iterdir()) == []


def test_without_pip_it_is_said_where_models_come_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(FailedPrecondition, match="fetched by pip, which is not"):
        models.fetch([models.catalogue()["silero-vad"]], lambda _line: None)


def test_every_engine_can_be_fetched_for() -> None:
    assert stt.FINDERS.keys() == RECOGNIZERS.keys() == DEFAULT_MODELS.keys()
    assert tts.FINDERS.keys() == VOICES.keys()


def test_a_voices_halves_serve_without_the_whole(tmp_path: Path) -> None:
    halves = tmp_path / "voice-split-1-0123456789abcdef"
    halves.mkdir()
    assert split(tmp_path / "voice.onnx") == halves
    (tmp_path / "voice-split-1-fedcba9876543210").mkdir()
    with pytest.raises(FailedPrecondition, match="cannot read the voice"):
        split(tmp_path / "voice.onnx")


@pytest.mark.parametrize("place", [".", "models", "hf/hub"])
def test_a_voice_is_cut_ahead_for_where_nothing_can_be_written(
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice = tmp_path / "voice.onnx"
    voice.write_bytes(b"v")
    halves = tmp_path / place / f"voice-split-1-{sha256(b'v').hexdigest()[:16]}"
    halves.mkdir(parents=True)
    monkeypatch.setenv("ANTIPHON_TTS_MODEL", str(voice))
    tts.main()
    assert capsys.readouterr().out == f"{voice}: in {halves}\n"


def test_of_a_gateway_that_predicts_nothing_no_model_of_that_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice = tmp_path / "voice.onnx"
    monkeypatch.setenv("ANTIPHON_GATEWAY_VOICE_MODEL", str(voice))
    monkeypatch.setenv("ANTIPHON_GATEWAY_END_MODEL", "none")
    gateway.main()
    assert capsys.readouterr().out == f"{voice}: in {voice}\n"
