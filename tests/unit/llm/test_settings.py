"""Settings of the proxy and its upstreams."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.llm import upstreams
from services.llm.settings import LlmSettings, UpstreamSettings
from services.llm_local.settings import LocalModelSettings
from services.runtime.errors import FailedPrecondition


def upstream(**fields: Any) -> UpstreamSettings:
    if "provider" not in fields:
        fields.setdefault("base_url", "http://127.0.0.1:1/v1")
    return UpstreamSettings(**{"name": "x", **fields})


def behind(settings: LlmSettings) -> dict[str, tuple[str, ...]]:
    return {name: route.upstreams for name, route in settings.route_table().items()}


def load(monkeypatch: pytest.MonkeyPatch, *configured: dict[str, Any]) -> LlmSettings:
    monkeypatch.setenv("ANTIPHON_LLM_UPSTREAMS", json.dumps(configured))
    return LlmSettings.load([])


def test_the_default_is_the_local_server_with_a_slot_for_each_stream() -> None:
    settings = LlmSettings()
    (local,) = settings.upstreams
    assert behind(settings) == {"default": ("local",)}
    assert local.slots == settings.max_streams == LocalModelSettings().slots
    assert local.context_tokens == LocalModelSettings().context


def test_upstreams_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        {"name": "fast", "provider": "cerebras", "model": "google/gemma-4-31B-it"},
        {"name": "near", "base_url": "http://127.0.0.1:1/v1"},
    )
    assert [u.name for u in settings.upstreams] == ["fast", "near"]
    assert behind(settings) == {"default": ("fast", "near")}


def test_routes_name_upstreams_in_order_and_the_default_comes_first() -> None:
    settings = LlmSettings(
        upstreams=[upstream(name="a"), upstream(name="b")],
        routes={"small": "b", "both": ["b", "a"], "default": {"upstreams": ["a"]}},  # type: ignore[dict-item]
    )
    assert list(behind(settings).items()) == [
        ("default", ("a",)),
        ("small", ("b",)),
        ("both", ("b", "a")),
    ]


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("gone", "gone"),
        ([], "upstreams"),
        (["x", "x"], "twice"),
        ({"upstreams": ["x"], "hedge": 0.0}, "hedge"),
        ({"upstreams": ["x"], "temperature": 3}, "temperature"),
        ({"upstreams": ["x"], "nonsense": 1}, "nonsense"),
        ({"upstreams": ["x"], "hedge": -1}, "routes.big.hedge"),
        ({"upstreams": ["x"], "hedge": float("nan")}, "routes.big.hedge"),
        ({"upstreams": ["x"], "hedge": float("inf")}, "routes.big.hedge"),
        (["x", "x"], "routes.big.upstreams"),
        ("big", "'routes'"),
        (None, "routes.big"),
    ],
)
def test_a_route_that_cannot_be_meant_is_refused_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    route: object,
    says: str,
) -> None:
    monkeypatch.setenv("ANTIPHON_LLM_ROUTES", json.dumps({"big": route}))
    with pytest.raises(SystemExit):
        load(monkeypatch, {"name": "x", "base_url": "http://x"})
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ROUTES", '{"": "x"}', "'routes'"),
        ("ROUTES", '{"x":', "routes"),
        ("UPSTREAMS", '[{"api_key": "hf_mine"', "upstreams"),
        ("UPSTREAMS", '[{"name": "x", "base_url": "http://x"}, {"name": "x", "base_url": "http://y"}]', "'upstreams': Value error, two are called x"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_meant_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    says: str,
) -> None:
    one = json.dumps([{"name": "x", "base_url": "http://x"}])
    monkeypatch.setenv("ANTIPHON_LLM_UPSTREAMS", one)
    monkeypatch.setenv(f"ANTIPHON_LLM_{variable}", value)
    with pytest.raises(SystemExit):
        LlmSettings.load([])
    error = capsys.readouterr().err
    assert says in error
    assert "hf_mine" not in error


@pytest.mark.parametrize(
    ("hedge", "read"), [("true", True), ("false", False), ("1", 1.0), ("0.25", 0.25)]
)
def test_hedging_is_on_off_or_a_number_of_seconds(
    monkeypatch: pytest.MonkeyPatch, hedge: str, read: bool | float
) -> None:
    monkeypatch.setenv("ANTIPHON_LLM_ROUTES", f'{{"big": {{"upstreams": ["x"], "hedge": {hedge}}}}}')  # fmt: skip
    settings = load(monkeypatch, {"name": "x", "base_url": "http://x"})
    route = settings.routes["big"]
    assert (route.hedge, type(route.hedge)) == (read, type(read))


@pytest.mark.parametrize(
    ("configured", "says"),
    [
        ({"name": "a"}, "base_url or provider"),
        ({"name": "a", "base_url": "http://x", "provider": "y"}, "base_url or provider"),
        ({"name": "a", "base_url": "ftp://x"}, "base_url"),
        ({"name": "a b", "base_url": "http://x"}, "name"),
        ({"name": "a", "base_url": "http://x", "nonsense": 1}, "nonsense"),
        ({"name": "a", "base_url": "http://x:99999/v1"}, "base_url"),
        ({"name": "a", "base_url": "http://[x/v1"}, "base_url"),
        ({"name": "a", "base_url": "http://me:hf_mine@x/v1"}, "base_url"),
        ({"name": "a", "base_url": "http://x/v1?key=hf_mine"}, "base_url"),
        ({"name": "a", "base_url": "http://x", "api_key": "hf_mine"}, "api_key"),
        ({"name": "a", "base_url": "http://x", "api_key_variable": "hf_mine"}, "api_key_variable"),
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
    error = capsys.readouterr().err
    assert says in error
    assert "hf_mine" not in error


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


@pytest.mark.parametrize(
    ("fields", "shared"),
    [
        ({"provider": "cerebras"}, True),
        ({"base_url": "https://api.cerebras.ai/v1"}, True),
        ({"base_url": "http://llm:8000/v1"}, True),
        ({"base_url": "http://llm:8000/v1", "slots": 4}, False),
        ({"base_url": "http://LOCALHOST:8000/v1"}, False),
        ({"base_url": "http://127.0.0.1:8000/v1"}, False),
        ({"base_url": "http://[::1]:8000/v1"}, False),
    ],
)
def test_a_server_of_this_machine_or_with_slots_is_nobody_elses(
    fields: dict[str, Any], shared: bool
) -> None:
    assert upstream(**fields).shared is shared


@pytest.mark.parametrize(
    "key", [b"hf_mine\nhf_other", b"hf mine", "hf_mine…".encode(), b"hf_mine\xff"]
)
def test_what_no_header_can_carry_is_no_key_and_is_not_shown(
    tmp_path: Path, key: bytes
) -> None:
    file = tmp_path / "key"
    file.write_bytes(key)
    with pytest.raises(FailedPrecondition) as caught:
        upstream(api_key_file=file).read_key()
    assert str(file) in caught.value.message
    assert "mine" not in caught.value.message


def test_an_unknown_kind_is_refused_with_the_list() -> None:
    with pytest.raises(FailedPrecondition, match="openai_compatible"):
        upstreams.create(upstream(kind="telepathy"))
