"""``antiphon fetch`` takes models of the catalogue and of the Hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from antiphon.cli import main
from tests.fakes.hub import ScriptedHub, scripted_hub

MODEL = "someone/some-model"
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedHub]:
    with scripted_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("ANTIPHON_MODELS", str(tmp_path / "models"))
        hub.publish(MODEL, "main", FIRST, {"a.bin": b"a", "b.bin": b"b"})
        yield hub


def _fetch(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["fetch", *arguments])


def test_a_model_of_the_hub_is_fetched_by_its_name(far: ScriptedHub) -> None:
    result = _fetch(MODEL)
    assert result.exit_code == 0, result.output
    assert FIRST in result.output
    assert sorted(far.downloads) == ["a.bin", "b.bin"]


def test_one_file_of_it_is_enough_where_only_that_is_named(far: ScriptedHub) -> None:
    assert _fetch(f"{MODEL}:b.bin").exit_code == 0
    assert far.downloads == ["b.bin"]


def test_it_is_looked_up_anew_only_where_that_is_asked_for(far: ScriptedHub) -> None:
    _fetch(MODEL)
    far.publish(MODEL, "main", SECOND, {"a.bin": b"new"})
    assert SECOND not in _fetch(MODEL).output
    assert SECOND in _fetch(MODEL, "--update").output


def test_nothing_is_fetched_where_one_name_is_nobodys(far: ScriptedHub) -> None:
    result = _fetch(MODEL, "whisper-enormous")
    assert result.exit_code == 2
    assert "there is no whisper-enormous" in result.output
    assert "whisper-tiny-en" in result.output
    assert not far.asked


def test_a_model_that_there_is_not_ends_the_command_with_a_sentence() -> None:
    result = _fetch("someone/else")
    assert result.exit_code == 1
    assert "someone/else cannot be fetched" in result.output


def test_the_list_says_of_every_model_whether_it_is_here(far: ScriptedHub) -> None:
    name = "Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice"
    commit = "85e237c12c027371202489a0ec509ded67b5e4b5"
    far.publish(name, "main", commit, {"config.json": b"{}"})
    assert f"{name}: " in _fetch("--list").output
    assert not _line_of(name).endswith("; here")
    _fetch(name)
    assert _line_of(name).endswith("; here")


def _line_of(name: str) -> str:
    lines = _fetch("--list").output.splitlines()
    return next(line for line in lines if line.startswith(name))
