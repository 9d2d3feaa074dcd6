"""Settings come from flags, the environment and a file, in this order."""

from pathlib import Path

import pytest

from gateway.settings import GatewaySettings
from services.llm.settings import LlmSettings
from services.runtime.settings import CONFIG_VARIABLE


def test_flags_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text(
        "gateway: {silence: 0.7, lead: 0.5, preroll: 0.2}\nstt: {port: 1}\n"
    )
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.setenv("ANTIPHON_GATEWAY_SILENCE", "0.8")
    monkeypatch.setenv("ANTIPHON_GATEWAY_LEAD", "0.6")
    settings = GatewaySettings.load(["--silence=0.9"])
    assert (settings.silence, settings.lead, settings.preroll) == (0.9, 0.6, 0.2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--silence=60"], "silence"),
        (["--port=x"], "port"),
        (["--log-level=loud"], "log_level"),
        (["--connection-age=inf"], "connection_age"),
        (["--connection-age=0.0004"], "connection_age"),
        (["--max-message-bytes=2147483648"], "max_message_bytes"),
    ],
)
def test_a_wrong_setting_is_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        GatewaySettings.load(arguments)
    assert left.value.code == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "gateway: 3",
        "gateway: {",
        "gateway: {silense: 0.5}",
        "gateway: {1: 2}",
        "- gateway",
        "gateway: {instructions: caf\xe9}",
        "gateway: {silence: 0.5}\ngateway: {silence: 0.5}",
        "gateway: {silence: 0.5, silence: 0.5}",
    ],
)
def test_a_wrong_file_is_named(
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text(text, encoding="latin-1")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    with pytest.raises(SystemExit) as left:
        GatewaySettings.load([])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert "antiphon.yaml" in error or "silense" in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "llm: {max_streems: 2}",
            "'max_streems': there is no such setting; did you mean max_streams?",
        ),
        (
            "llm: {upstreams: [{name: a, base_url: 'http://a', model: b, ky: c}]}",
            "'upstreams.0.ky': there is no such setting",
        ),
    ],
)
def test_a_line_that_is_no_setting_is_told_of_with_the_nearest(
    text: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text(text)
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    with pytest.raises(SystemExit):
        LlmSettings.load([])
    assert capsys.readouterr().err.splitlines()[0] == f"llm: setting {said}"


@pytest.mark.parametrize("text", ["", "gateway:\n  # silence: 0.5\n", "# gateway:\n"])
def test_a_section_whose_lines_are_all_comments_is_empty(
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text(text)
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    assert GatewaySettings.load([]) == GatewaySettings()
    assert capsys.readouterr().err == ""


def test_a_section_that_nobody_reads_is_told_of_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text("gatway: {silence: 0.5}\n7: {}\nstt: {}\ngateway: {lead: 0.5}\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    assert GatewaySettings.load([]).lead == 0.5
    wrong, odd = capsys.readouterr().err.splitlines()
    assert "'gatway'" in wrong
    assert "did you mean gateway?" in wrong
    assert "section 7 " in odd


def test_a_variable_that_is_no_setting_is_told_of_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTIPHON_LLM_UPSTREAM", "[]")
    monkeypatch.setenv("ANTIPHON_LLM_PORT", "7")
    monkeypatch.setenv("ANTIPHON_LLM_LOCAL_PRT", "another section's")
    assert LlmSettings.load([]).port == 7
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: ANTIPHON_LLM_UPSTREAM is no setting")
    assert line.endswith("did you mean ANTIPHON_LLM_UPSTREAMS?")


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        GatewaySettings.load(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for name in GatewaySettings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
