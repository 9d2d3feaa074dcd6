"""Where turns are asked for, and what is made of what answers there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from antiphon.cli.setting import BadSetting
from antiphon.cli.trace.document import BadDocument, read
from antiphon.cli.trace.source import (
    BadAddress,
    NobodyThere,
    NoGateway,
    Source,
    usual_address,
)
from services.runtime.telemetry import exposition
from tests.fakes import turns


def test_by_default_the_gateway_of_this_machine_is_asked() -> None:
    assert usual_address({}) == "127.0.0.1:9460"


def test_settings_say_where_the_gateway_counts(tmp_path: Path) -> None:
    file = tmp_path / "antiphon.yaml"
    file.write_text("gateway: {metrics_port: 9999, host: '::1'}")
    environment = {"ANTIPHON_CONFIG": str(file)}
    assert usual_address(environment) == "[::1]:9999"
    environment["ANTIPHON_GATEWAY_METRICS_PORT"] = "9998"
    environment["ANTIPHON_GATEWAY_HOST"] = "0.0.0.0"
    assert usual_address(environment) == "127.0.0.1:9998"


def test_a_port_that_is_left_to_chance_has_to_be_named() -> None:
    with pytest.raises(BadAddress, match="--at HOST:PORT"):
        usual_address({"ANTIPHON_GATEWAY_METRICS_PORT": "0"})
    with pytest.raises(BadSetting, match="ANTIPHON_GATEWAY_METRICS_PORT=x"):
        usual_address({"ANTIPHON_GATEWAY_METRICS_PORT": "x"})


@pytest.mark.parametrize(
    "address",
    [
        "",
        "9460",
        "localhost",
        "localhost:",
        ":9460",
        "a b:1",
        "h:0",
        "h:65536",
        "http://h:1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress, match="must be HOST:PORT"):
        Source(address)


def test_nobody_there_says_what_to_start() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(NobodyThere, match=rf"{address}(?s:.)*antiphon up"):
            Source(address).latest(1)


def test_a_stages_metrics_port_is_no_gateways() -> None:
    server, thread = exposition.serve(0, "127.0.0.1")
    try:
        with pytest.raises(NoGateway, match=r"no turns \(HTTP status 404\)"):
            Source(f"127.0.0.1:{server.server_port}").latest(1)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_speaks_no_http_is_no_gateway() -> None:
    frame = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n\r\n"
    with (
        _saying(frame) as address,
        pytest.raises(NoGateway, match="does not speak HTTP"),
    ):
        Source(address).latest(1)


def test_an_answer_that_breaks_off_is_no_gateway() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"
    with _saying(answer) as address, pytest.raises(NoGateway, match="not with turns"):
        Source(address).latest(1)


@pytest.mark.parametrize(
    "body", [b"", b"# HELP x\n", b"[]", b'{"status": "ok"}', b"\xff"]
)
def test_what_is_no_document_is_refused(body: bytes) -> None:
    with pytest.raises(BadDocument, match="not with turns"):
        read(body)


def test_another_version_of_the_document_says_which_command_to_use() -> None:
    with pytest.raises(BadDocument, match=r"version 2.*reads version 1"):
        read(b'{"version": 2, "whatever": []}')


def test_a_damaged_document_says_where() -> None:
    with pytest.raises(BadDocument, match=r"turns\.0\.total"):
        turns.document(turns.ahead(total="soon"))
    with pytest.raises(BadDocument, match=r"turns\.0\.total"):
        turns.document(turns.ahead(total=float("nan")))


def test_an_answer_without_an_end_is_no_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("antiphon.cli.trace.source.BODY_SECONDS", 0.0)
    with (
        _saying(b"HTTP/1.1 200 OK\r\n\r\n{") as address,
        pytest.raises(NoGateway, match="does not come to an end"),
    ):
        Source(address).latest(1)


def test_what_sends_on_to_no_address_is_no_gateway() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n"
    with _saying(answer) as address, pytest.raises(NoGateway, match="HTTP"):
        Source(address).latest(1)


def test_what_is_damaged_does_not_drive_the_terminal() -> None:
    budgets = {"\x1b[31m\nllm": "soon"}
    with pytest.raises(BadDocument) as refused:
        turns.document(turns.ahead(budgets=budgets))
    assert "?[31m?llm" in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("total", 1e30),
        ("began", "0001-01-01T00:00:00+14:00"),
        ("began", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_times_that_no_turn_has_are_damage(where: str, what: object) -> None:
    with pytest.raises(BadDocument, match=rf"turns\.0\.{where}"):
        turns.document(turns.ahead(**{where: what}))


def test_what_a_later_gateway_adds_is_kept() -> None:
    (turn,) = turns.document(turns.ahead(mood="good")).turns
    assert turn.model_dump()["mood"] == "good"


def test_new_turns_come_once_each_also_where_they_come_fast() -> None:
    happened = [turns.ahead(number) for number in range(1, 4)]
    asked: list[int] = []

    def answer(count: int) -> object:
        asked.append(count)
        if len(asked) == 2:
            happened.extend(turns.ahead(number) for number in range(4, 31))
        return turns.written(*happened[-count:])

    with turns.answering(answer) as address:
        source = Source(address)
        fresh = next(source.news(source.latest(200).turns))
    assert [turn.turn for turn in fresh] == list(range(4, 31))
    assert asked == [200, 20, 200]


@contextmanager
def _saying(answer: bytes) -> Iterator[str]:
    """A port that says something to the first who asks."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def say() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(answer)

        thread = threading.Thread(target=say)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join()
