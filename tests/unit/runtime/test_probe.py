"""A probe says of any process of ours whether it is well, encrypted or not, without gRPC's own client."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.runtime import probe as probing
from services.runtime.probe import Unwell, probe
from tests.fakes.certificates import Pair, make

WELL = health_pb2.HealthCheckResponse.SERVING
ILL = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def served(pair: Pair | None = None, **statuses: int) -> Iterator[str]:
    """A gRPC server's address; ``statuses`` by service, ``whole`` for all of it."""
    servicer = health.HealthServicer()
    for name, status in statuses.items():
        servicer.set("" if name == "whole" else name, status)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if pair is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        both = (pair.key.read_bytes(), pair.cert.read_bytes())
        port = server.add_secure_port(
            "127.0.0.1:0", grpc.ssl_server_credentials([both])
        )
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_serves_is_well(encrypted: bool, tmp_path: Path) -> None:
    with served(make(tmp_path) if encrypted else None, whole=WELL) as address:
        assert probe(address) == f"{address} is SERVING"


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_does_not_serve_is_not(encrypted: bool, tmp_path: Path) -> None:
    with (
        served(make(tmp_path) if encrypted else None, whole=ILL) as address,
        pytest.raises(Unwell, match="is NOT_SERVING"),
    ):
        probe(address)


def test_one_service_may_be_asked_for_alone() -> None:
    with served(whole=ILL, some=WELL) as address:
        assert probe(address, "some") == f"{address} is SERVING"


def test_a_service_that_there_is_not_is_not_well() -> None:
    with served(whole=WELL) as address, pytest.raises(Unwell):
        probe(address, "antiphon.v1.Nobody")


def test_a_server_without_health_is_not_well() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with pytest.raises(Unwell, match="answered with an error"):
        probe(address)
    server.stop(None).wait()


def test_where_nobody_listens_nothing_is_well() -> None:
    with served(whole=WELL) as address:
        pass
    with pytest.raises(Unwell, match=r"does not answer: .*refused"):
        probe(address)


def test_what_is_no_address_is_told_from_what_is_not_well() -> None:
    with pytest.raises(Unwell, match="somewhere does not answer"):
        probe("somewhere")


SETTINGS = bytes(3) + b"\x04" + bytes(5)
"""An empty frame of HTTP/2's, which says nothing of an answer."""


@contextmanager
def talking(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that talks so to whoever comes, until they leave."""

    def talk() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                say(connection)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def _without_end(connection: socket.socket) -> None:
    while True:
        connection.sendall(SETTINGS)


def _byte_by_byte(connection: socket.socket) -> None:
    # Looks whether the other side is still there, and says a byte of nothing if so.
    connection.settimeout(0.05)
    while True:
        try:
            if not connection.recv(4096):
                return
        except TimeoutError:
            connection.sendall(b"\0")


@pytest.mark.parametrize("say", [_without_end, _byte_by_byte])
@pytest.mark.parametrize("address", ["{}", "http://{}/health"])
def test_who_never_comes_to_an_end_is_not_well(
    say: Callable[[socket.socket], None],
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probing, "SECONDS", 0.3)
    with talking(say) as place, pytest.raises(Unwell):
        probe(address.format(place))


def test_a_status_that_nobody_knows_is_not_well() -> None:
    message = b"\x08\x63"
    answer = bytes(4) + bytes((len(message),)) + message

    def say(connection: socket.socket) -> None:
        connection.sendall(
            len(answer).to_bytes(3, "big")
            + b"\x00\x01"
            + (1).to_bytes(4, "big")
            + answer
        )
        connection.recv(4096)

    with talking(say) as address, pytest.raises(Unwell, match="is in status 99"):
        probe(address)


def test_a_question_that_is_refused_is_no_waiting() -> None:
    def say(connection: socket.socket) -> None:
        # RST_STREAM, with an error's number.
        connection.sendall(b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x07")
        while connection.recv(4096):
            pass

    with talking(say) as address, pytest.raises(Unwell, match="answered with an error"):
        probe(address)


def test_a_page_is_well_where_it_says_so(page: str) -> None:
    assert probe(f"{page}/health") == f"{page}/health is 200"
    with pytest.raises(Unwell, match="is 503"):
        probe(f"{page}/other")


def _asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.runtime.probe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_tells_by_its_status_and_one_line() -> None:
    with served(whole=WELL) as address:
        well = _asked(address)
        ill = _asked(address, "antiphon.v1.Nobody")
    assert (well.returncode, well.stdout) == (0, f"{address} is SERVING\n")
    assert ill.returncode == 1
    assert len(ill.stderr.splitlines()) == 1
    assert _asked().returncode == 1


def test_it_imports_nothing_that_is_slow() -> None:
    code = "import sys, services.runtime.probe; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"grpc", "asyncio", "ssl", "http.client"} & set(done.stdout.split())
