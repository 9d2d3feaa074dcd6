import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.runtime.errors import FailedPrecondition
from services.tts import engines
from services.tts.clauses import Policy
from services.tts.engines import DEFAULT_MODELS, ENGINES, EngineOptions, load_engine
from services.tts.settings import TextToSpeechSettings
from tests.fakes.chorus import ScriptedChorus

CLAUSES = ScriptedChorus().capabilities
SENTENCES = ScriptedChorus(sentences=True).capabilities

ENGINE = """
from services.tts.engines import EngineOptions

given = []

def load(options: EngineOptions) -> object:
    given.append(options)
    {body}
    return object()
"""


def module(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, body: str = "pass"
) -> None:
    """Put another module in the place of the engine ``qwen3``."""
    (folder / f"{name}.py").write_text(ENGINE.format(body=body))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(engines, "ENGINES", {"qwen3": name})


def test_every_engine_has_weights_of_its_own() -> None:
    assert DEFAULT_MODELS.keys() == ENGINES.keys()


def test_an_engine_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValidationError, match="piper, qwen3"):
        TextToSpeechSettings(engine="parrot")


def test_naming_the_engine_alone_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, monkeypatch, "scripted_default")
    monkeypatch.setenv("ANTIPHON_TTS_ENGINE", "qwen3")
    settings = TextToSpeechSettings()
    load_engine(settings.engine, settings.options())
    (given,) = sys.modules["scripted_default"].given
    assert given == EngineOptions(DEFAULT_MODELS["qwen3"], "", 1, "auto", "auto", None)


def test_what_the_operator_says_reaches_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, monkeypatch, "scripted_chosen")
    settings = TextToSpeechSettings(
        engine="qwen3",
        model="a/b",
        voice_name="Vivian",
        threads=2,
        device="cpu",
        precision="float32",
        max_batch=8,
        max_streams=40,
    )
    load_engine(settings.engine, settings.options())
    (given,) = sys.modules["scripted_chosen"].given
    assert given == EngineOptions("a/b", "Vivian", 2, "cpu", "float32", 8, 40)


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, monkeypatch, "scripted_missing", "import no_such_package")
    with pytest.raises(FailedPrecondition, match=r"no_such_package.*tts-qwen3"):
        load_engine("qwen3", EngineOptions("", "", 1))


def test_later_clauses_are_as_long_as_the_engine_likes_them_unless_they_are_set() -> (
    None
):
    default, set_ = TextToSpeechSettings(), TextToSpeechSettings(clause_words=5)
    assert default.later_clauses(CLAUSES) == Policy(8, 30)
    assert default.later_clauses(SENTENCES) == Policy(30, 60)
    assert set_.later_clauses(SENTENCES) == Policy(5, 60)
    assert default.first_clause() == Policy(2, 10)
