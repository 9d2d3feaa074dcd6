"""Which processes make the CPU default, and where they find each other."""

import json
import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import grpc
import pytest
import yaml
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from antiphon.cli.commands import PROCESSES
from antiphon.cli.interpreters import BadInterpreter
from antiphon.cli.parts import NAMES
from antiphon.cli.pipeline import BadPlan, plan, taken
from antiphon.cli.setting import BadSetting


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ANTIPHON_")]:
        monkeypatch.delenv(name)


def _environment(name: str, **options: tuple[str, ...]) -> dict[str, str | None]:
    made = plan(**options)
    return dict(next(spec for spec in made.specs if spec.name == name).environment)


def test_all_processes_are_there_and_the_command_line_knows_them() -> None:
    assert NAMES == PROCESSES
    assert [spec.name for spec in plan().specs] == list(NAMES)
    assert [spec.module for spec in plan().specs] == [
        "services.llm_local",
        "services.stt",
        "services.llm",
        "services.tts",
        "gateway",
    ]


def test_only_and_without_choose() -> None:
    assert [s.name for s in plan(only=("stt", "tts")).specs] == ["stt", "tts"]
    assert [s.name for s in plan(without=("gateway",)).specs] == list(NAMES[:-1])
    with pytest.raises(BadPlan, match="nothing is left"):
        plan(only=("stt",), without=("stt",))


def test_no_two_processes_want_the_same_port() -> None:
    numbers = [port.number for port in plan().ports]
    assert len(numbers) == len(set(numbers))


def test_engines_share_the_machine_with_one_quiet_thread_each() -> None:
    for name in NAMES:
        environment = _environment(name)
        assert environment["OMP_NUM_THREADS"] == "1"
        assert environment["OMP_WAIT_POLICY"] == "PASSIVE"


def test_logs_for_people_are_readable_unless_the_user_wants_them_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_TTS_LOG_FORMAT", "json")
    formats = [
        spec.environment.get(f"ANTIPHON_{spec.name.upper()}_LOG_FORMAT")
        for spec in plan(only=("stt", "tts"), for_people=True).specs
    ]
    assert formats == ["console", None]


def test_a_port_set_by_the_user_is_known_to_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "ANTIPHON_LLM_UPSTREAMS" not in _environment("llm")
    monkeypatch.setenv("ANTIPHON_STT_PORT", "6001")
    monkeypatch.setenv("ANTIPHON_LLM_LOCAL_PORT", "6002")
    assert plan().addresses["stt"] == "127.0.0.1:6001"
    assert _environment("gateway")["ANTIPHON_GATEWAY_STT"] == "127.0.0.1:6001"
    upstreams = json.loads(_environment("llm")["ANTIPHON_LLM_UPSTREAMS"])
    assert upstreams[0]["base_url"] == "http://127.0.0.1:6002/v1"


def test_a_neighbour_set_by_the_user_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_GATEWAY_TTS", "speaker:50053")
    environment = _environment("gateway", without=("tts",))
    assert "ANTIPHON_GATEWAY_TTS" not in environment
    monkeypatch.setenv("ANTIPHON_LLM_UPSTREAMS", "[]")
    assert "ANTIPHON_LLM_UPSTREAMS" not in _environment("llm")


_OTHER = "{name: mine, base_url: 'http://127.0.0.1:11434/v1', model: gemma3}"
_LOCAL = "{name: local, base_url: 'http://localhost:8081/v1'}"
_PROVIDER = "{name: far, provider: cerebras, model: some/model}"


@pytest.mark.parametrize(
    ("upstreams", "local"),
    [
        (f"[{_OTHER}]", False),
        (f"[{_OTHER}, {_PROVIDER}]", False),
        (f"[{_PROVIDER}, {_LOCAL}]", True),
        ("['nonsense']", True),
        ("nonsense", True),
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_the_local_model_stays_away_where_no_upstream_points_at_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    upstreams: str,
    local: bool,
    in_file: bool,
) -> None:
    if in_file:
        file = tmp_path / "antiphon.yaml"
        file.write_text(f"llm: {{upstreams: {upstreams}}}\n")
        monkeypatch.setenv("ANTIPHON_CONFIG", str(file))
    else:
        value = json.dumps(yaml.safe_load(upstreams))
        monkeypatch.setenv("ANTIPHON_LLM_UPSTREAMS", value)
    made = plan()
    assert ("llm-local" in made.addresses) is local
    assert ("llm-local" in [spec.name for spec in made.specs]) is local
    assert ("smollm2-135m" in made.models) is local
    assert len(made.notes) == (0 if local else 1)
    assert all("llm-local is not started" in note for note in made.notes)


def test_the_local_model_comes_where_it_is_asked_for_or_may_be_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = [{"name": "box", "base_url": "http://box:8081/v1"}]
    monkeypatch.setenv("ANTIPHON_LLM_UPSTREAMS", json.dumps(elsewhere))
    assert "llm-local" not in plan().addresses
    assert "llm-local" in plan(only=("llm", "llm-local")).addresses
    assert "llm-local" in plan(without=("llm",)).addresses
    assert not plan(without=("llm-local",)).notes
    monkeypatch.setenv("ANTIPHON_LLM_LOCAL_HOST", "0.0.0.0")
    assert "llm-local" in plan().addresses


def test_a_process_that_is_left_out_keeps_its_usual_address() -> None:
    assert "ANTIPHON_GATEWAY_TTS" not in _environment("gateway", without=("tts",))


def test_the_settings_file_counts_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text("stt: {port: 6001}\ntts: {port: 6003, model: other}\n")
    monkeypatch.setenv("ANTIPHON_CONFIG", str(file))
    monkeypatch.setenv("ANTIPHON_STT_PORT", "7001")
    made = plan()
    assert made.addresses["stt"] == "127.0.0.1:7001"
    assert made.addresses["tts"] == "127.0.0.1:6003"
    assert "piper-joe-medium" not in made.models
    assert "whisper-tiny-en" in made.models


def test_each_model_of_a_process_is_fetched_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {"silero-vad", "smart-turn"} <= set(plan().models)
    monkeypatch.setenv("ANTIPHON_GATEWAY_END_MODEL", "none")
    assert "silero-vad" in plan().models
    assert "smart-turn" not in plan().models


@pytest.fixture
def prefix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment of our own in a folder of its own, where no package is but ours."""
    own = tmp_path / ".venv"
    own.mkdir()
    monkeypatch.setattr(sys, "prefix", str(own))
    return own


def _environment_beside(prefix: Path, name: str) -> str:
    python = prefix.with_name(name) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return str(python)


needs_no_torch = pytest.mark.skipif(
    find_spec("nemo") is not None, reason="Parakeet's packages are here"
)


@needs_no_torch
@pytest.mark.parametrize("in_file", [True, False])
def test_one_variable_swaps_an_engine_for_one_in_an_environment_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefix: Path, in_file: bool
) -> None:
    python = _environment_beside(prefix, ".venv-stt-parakeet")
    if in_file:
        file = tmp_path / "antiphon.yaml"
        file.write_text("stt: {engine: parakeet}\n")
        monkeypatch.setenv("ANTIPHON_CONFIG", str(file))
    else:
        monkeypatch.setenv("ANTIPHON_STT_ENGINE", "parakeet")
    made = plan()
    pythons = {spec.name: spec.python for spec in made.specs}
    assert pythons.pop("stt") == python
    assert set(pythons.values()) == {sys.executable}
    assert "whisper-tiny-en" not in made.models
    assert "piper-joe-medium" in made.models


@pytest.mark.parametrize("engine", ["whisper", ""])
def test_the_default_engine_needs_its_model_and_no_other_environment(
    monkeypatch: pytest.MonkeyPatch, prefix: Path, engine: str
) -> None:
    _environment_beside(prefix, ".venv-stt-whisper")
    monkeypatch.setenv("ANTIPHON_STT_ENGINE", engine)
    made = plan(only=("stt",))
    assert made.specs[0].python == sys.executable
    assert made.models == ["whisper-tiny-en"]


@needs_no_torch
@pytest.mark.usefixtures("prefix")
@pytest.mark.parametrize(("stage", "engine"), [("stt", "parakeet"), ("tts", "qwen3")])
def test_an_engine_that_is_not_installed_is_refused_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, stage: str, engine: str
) -> None:
    monkeypatch.setenv(f"ANTIPHON_{stage}_ENGINE".upper(), engine)
    with pytest.raises(BadInterpreter) as raised:
        plan()
    assert f"make setup-models EXTRA={stage}-{engine}" in str(raised.value)
    assert f"pip install 'antiphon[{stage}-{engine}]'" in str(raised.value)
    assert f"ANTIPHON_{stage.upper()}_PYTHON" in str(raised.value)


def test_a_stage_runs_in_the_python_that_the_user_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = _environment_beside(tmp_path / ".venv", "somewhere")
    monkeypatch.setenv("ANTIPHON_TTS_ENGINE", "qwen3")
    monkeypatch.setenv("ANTIPHON_TTS_PYTHON", python)
    spec = plan(only=("tts",)).specs[0]
    assert spec.python == python
    # The stage itself knows no such setting and would say so.
    assert spec.environment["ANTIPHON_TTS_PYTHON"] is None
    monkeypatch.setenv("ANTIPHON_TTS_PYTHON", f"{python}3")
    with pytest.raises(BadInterpreter, match=f"ANTIPHON_TTS_PYTHON={python}3"):
        plan(only=("tts",))


@pytest.mark.parametrize("content", [b"stt: {port: \xff\xfe}\n", b"stt: {port: 6001"])
def test_a_settings_file_that_cannot_be_read_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_bytes(content)
    monkeypatch.setenv("ANTIPHON_CONFIG", str(file))
    with pytest.raises(BadSetting, match=r"ANTIPHON_CONFIG=.*antiphon\.yaml"):
        plan()


def test_a_free_port_is_chosen_and_told_where_the_user_asks_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_TTS_PORT", "0")
    made = plan(only=("tts", "gateway"))
    environments = {spec.name: spec.environment for spec in made.specs}
    port = environments["tts"]["ANTIPHON_TTS_PORT"]
    assert int(port) > 0
    assert environments["gateway"]["ANTIPHON_GATEWAY_TTS"] == f"127.0.0.1:{port}"


def test_a_process_that_listens_everywhere_is_asked_on_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_STT_HOST", "0.0.0.0")
    assert plan().addresses["stt"] == "127.0.0.1:50051"


@pytest.mark.parametrize("value", ["many", "1.5"])
def test_a_port_that_is_no_number_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ANTIPHON_STT_PORT", value)
    with pytest.raises(BadSetting, match=f"ANTIPHON_STT_PORT={value}"):
        plan()


def test_a_taken_port_is_found_with_the_variable_that_moves_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_TTS_PORT", "0")
    monkeypatch.setenv("ANTIPHON_TTS_METRICS_PORT", "0")
    made = plan(only=("tts",))
    assert not taken(made.ports)
    with socket.create_server(("127.0.0.1", made.ports[1].number)):
        assert [port.variable for port in taken(made.ports)] == [
            "ANTIPHON_TTS_METRICS_PORT"
        ]


def test_two_processes_on_one_port_are_refused_by_both_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTIPHON_STT_PORT", "38111")
    monkeypatch.setenv("ANTIPHON_TTS_PORT", "38111")
    with pytest.raises(BadPlan, match=r"_STT_PORT and ANTIPHON_TTS_PORT.*38111"):
        plan()
    monkeypatch.setenv("ANTIPHON_STT_HOST", "0.0.0.0")
    with pytest.raises(BadPlan, match="38111"):
        plan()
    monkeypatch.setenv("ANTIPHON_STT_HOST", "127.0.0.2")
    assert plan(only=("stt", "tts")).addresses["stt"] == "127.0.0.2:38111"


def test_free_ports_are_all_different_and_none_that_another_process_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed_out = iter([6001, 6002, 6002, 6003, 6004])
    held: set[int] = set()

    class Holding:
        """A system that hands out a port again as soon as it is let go."""

        def __init__(self) -> None:
            self.port = next(handed_out)
            while self.port in held:
                self.port = next(handed_out)

        def __enter__(self) -> Self:
            held.add(self.port)
            return self

        def __exit__(self, *_: object) -> None:
            held.discard(self.port)

        def getsockname(self) -> tuple[str, int]:
            return "127.0.0.1", self.port

    for variable in ("STT_PORT", "STT_METRICS_PORT", "TTS_METRICS_PORT"):
        monkeypatch.setenv(f"ANTIPHON_{variable}", "0")
    monkeypatch.setenv("ANTIPHON_TTS_PORT", "6001")
    monkeypatch.setattr(socket, "create_server", lambda _: Holding())
    numbers = [port.number for port in plan(only=("stt", "tts")).ports]
    assert numbers == [6002, 6003, 6001, 6004]
    assert not held


async def test_a_process_is_ready_only_where_its_own_service_answers() -> None:
    server = grpc.aio.server()
    healthy = health.aio.HealthServicer()
    for name in ("", "antiphon.v1.TextToSpeech"):
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready = {}
    for name in ("stt", "llm", "tts", "gateway"):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv(f"ANTIPHON_{name}_PORT".upper(), str(port))
            ready[name] = await plan(only=(name,)).specs[0].probe.ready()
    await server.stop(None)
    assert ready == {"stt": False, "llm": False, "tts": True, "gateway": False}
