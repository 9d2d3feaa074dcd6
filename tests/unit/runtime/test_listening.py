"""Ports that cannot be had are named; metrics let go of those who do not speak."""

import socket
import sys
from subprocess import run

import pytest

from services.runtime.telemetry import exposition

SERVE = """
import sys
import grpc
from services.runtime.server import Service, run
from services.stt.settings import SpeechToTextSettings

class Nothing(Service):
    name = "stt"
    full_names = ()

    def register(self, server: grpc.aio.Server) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...

run(Nothing(), SpeechToTextSettings.load(sys.argv[1:]))
"""


@pytest.mark.parametrize("setting", ["port", "metrics_port"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_named_with_its_variable(setting: str, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as holder:
        port = holder.getsockname()[1]
        flag = f"--{setting.replace('_', '-')}={port}"
        ports = ["--port=0", "--metrics-port=0", f"--host={host}", flag]
        done = run(
            [sys.executable, "-c", SERVE, *ports],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert done.returncode == 1
    assert f"cannot listen on {address}" in done.stderr
    assert f"ANTIPHON_STT_{setting.upper()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_nobody_knows_is_named() -> None:
    ports = ["--host=nowhere.invalid", "--port=7", "--metrics-port=8"]
    done = run(
        [sys.executable, "-c", SERVE, *ports],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert "cannot listen on nowhere.invalid:8" in done.stderr
    assert "ANTIPHON_STT_HOST" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_asks_nothing_is_let_go(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server, thread = exposition.serve(0, "127.0.0.1")
    assert server.RequestHandlerClass.timeout == exposition.REQUEST_SECONDS
    monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", server.server_port), 20) as silent:
        assert silent.recv(1) == b""
    with socket.create_connection(("127.0.0.1", server.server_port), 20) as asking:
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asking.recv(100).startswith(b"HTTP/1.0 200")
    server.shutdown()
    thread.join()
    server.server_close()
    assert capfd.readouterr().err == ""
