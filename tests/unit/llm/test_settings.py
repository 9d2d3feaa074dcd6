"""Settings of the proxy and its upstreams."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.llm import upstreams
from services.llm.settings import LlmSettings, UpstreamSettings
from services.runtime.errors import FailedPrecondition


def upstream(**fields: Any) -> UpstreamSettings:
    if "provider" not in fields:
        fields.setdefault("base_url", "http://127.0.0.1:1/v1")
    return UpstreamSettings(**{"name": "x", **fields})


def load(monkeypatch: pytest.MonkeyPatch, *configured: dict[str, Any]) -> LlmSettings:
    monkeypatch.setenv("ANTIPHON_LLM_UPSTREAMS", json.dumps(configured))
    return LlmSettings.load([])


def test_the_default_is_the_local_server_with_a_slot_for_each_stream() -> None:
    settings = LlmSettings()
    (local,) = settings.upstreams
    assert settings.alias_table() == {"default": "local"}
    assert local.slots == settings.max_streams


def test_upstreams_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        {"name": "fast", "provider": "cerebras", "model": "google/gemma-4-31B-it"},
        {"name": "near", "base_url": "http://127.0.0.1:1/v1"},
    )
    assert [u.name for u in settings.upstreams] == ["fast", "near"]
    assert settings.alias_table() == {"default": "fast"}


def test_aliases_name_upstreams_and_the_default_comes_first() -> None:
    configured = [upstream(name="a"), upstream(name="b")]
    settings = LlmSettings(upstreams=configured, aliases={"small": "b"})
    assert list(settings.alias_table().items()) == [("default", "a"), ("small", "b")]


@pytest.mark.parametrize(
    ("configured", "says"),
    [
        ({"name": "a"}, "base_url or provider"),
        ({"name": "a", "base_url": "http://x", "provider": "y"}, "base_url or provider"),
        ({"name": "a", "base_url": "ftp://x"}, "base_url"),
        ({"name": "a b", "base_url": "http://x"}, "name"),
        ({"name": "a", "base_url": "http://x", "nonsense": 1}, "nonsense"),
        ({"name": "a", "base_url": "http://x", "api_key_variable": "X", "api_key_file": "/x"}, "not both"),
    ],
)  # fmt: skip
def test_an_upstream_that_cannot_be_meant_is_refused_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    configured: dict[str, Any],
    says: str,
) -> None:
    with pytest.raises(SystemExit):
        load(monkeypatch, configured)
    assert says in capsys.readouterr().err


def test_aliases_and_names_have_to_agree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTIPHON_LLM_ALIASES", '{"big": "gone"}')
    with pytest.raises(SystemExit):
        LlmSettings.load([])
    assert "gone" in capsys.readouterr().err


def test_a_key_comes_from_its_variable_or_file_and_does_not_show(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEY", "secret\n")
    (tmp_path / "key").write_text("secret\n")
    for settings in (
        upstream(api_key_variable="KEY"),
        upstream(api_key_file=tmp_path / "key"),
    ):
        key = settings.read_key()
        assert key is not None
        assert key.get_secret_value() == "secret"
        assert "secret" not in f"{key!r} {settings!r}"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"api_key_variable": "NO_SUCH_KEY"}, "$NO_SUCH_KEY"),
        ({"api_key_file": "/no/such/key"}, "/no/such/key"),
        ({"provider": "cerebras"}, "$HF_TOKEN"),
    ],
)
def test_a_key_that_is_named_and_missing_is_for_the_operator_to_mend(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], says: str
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(FailedPrecondition) as caught:
        upstream(**fields).read_key()
    assert says in caught.value.message


def test_an_unknown_kind_is_refused_with_the_list() -> None:
    with pytest.raises(FailedPrecondition, match="openai_compatible"):
        upstreams.create(upstream(kind="telepathy"))
