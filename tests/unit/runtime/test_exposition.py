"""What the metrics port answers."""

import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse

import pytest
from prometheus_client import Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from services.runtime.telemetry import exposition, metrics

OPENMETRICS = (
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
)

MEASURED = Histogram("test_exposition_seconds", "Of this test")


def page(query: Mapping[str, str]) -> object:
    if query.get("last", "1").isdigit():
        return {"asked": dict(query)}
    raise ValueError("last: is no number")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server, thread = exposition.serve(0, "127.0.0.1", {"/turns": page})
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def get(
    port: int, path: str, method: str = "GET", **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(
        method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_whoever_takes_openmetrics_gets_exemplars(port: int, encoding: str) -> None:
    trace_id = {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    MEASURED.observe(0.2, exemplar=trace_id)
    response, body = get(port, "/metrics", Accept=OPENMETRICS, Accept_Encoding=encoding)
    assert response.getheader("content-type", "").startswith(
        "application/openmetrics-text"
    )
    if encoding == "gzip":
        assert response.getheader("content-encoding") == "gzip"
        body = gzip.decompress(body)
    families = {f.name: f for f in text_string_to_metric_families(body.decode())}
    found = [
        sample.exemplar.labels
        for sample in families["test_exposition_seconds"].samples
        if sample.exemplar
    ]
    assert found == [trace_id]


def test_whoever_takes_text_gets_text_that_has_no_exemplars(port: int) -> None:
    MEASURED.observe(0.2, exemplar={"trace_id": "0af7651916cd43dd8448eb211c80319c"})
    response, body = get(port, "/metrics")
    assert response.getheader("content-type", "").startswith("text/plain")
    assert b"test_exposition_seconds_count" in body
    assert b"0af7651916cd43dd8448eb211c80319c" not in body


def test_when_a_series_began_is_no_series(port: int) -> None:
    _, body = get(port, "/metrics")
    (family,) = metrics.SPANS_LOST.collect()
    assert f"\n{family.name}_total ".encode() in body
    assert b"_created" not in body


def test_a_page_is_asked_with_the_query(port: int) -> None:
    response, body = get(port, "/turns?last=20&of=caf%C3%A9")
    assert response.status == 200
    assert response.getheader("content-type") == "application/json; charset=utf-8"
    assert response.getheader("cache-control") == "no-store"
    assert json.loads(body) == {"asked": {"last": "20", "of": "café"}}


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/turns?last=x", 400, "last: is no number"),
        ("POST", "/turns", 405, "GET it"),
        ("GET", "/", 404, "there is only /metrics /turns"),
        ("GET", "/turns/1", 404, "there is only /metrics /turns"),
    ],
)
def test_what_cannot_be_answered_says_why(
    port: int, method: str, path: str, status: int, said: str
) -> None:
    response, body = get(port, path, method)
    assert response.status == status
    assert json.loads(body) == {"error": said}


def test_those_who_say_nothing_take_no_more_than_the_places_there_are(
    port: int,
) -> None:
    with ExitStack() as silent:
        for _ in range(exposition.MOST_CONNECTIONS):
            visitor = socket.create_connection(("127.0.0.1", port))
            silent.enter_context(visitor).sendall(b"GET /turns HTTP/1.1\r\nSlow: ")
        with pytest.raises(ConnectionError):
            get(port, "/turns")
    while True:
        try:
            response, _ = get(port, "/turns")
        except ConnectionError:  # a place is free when its thread has noticed
            continue
        assert response.status == 200
        break
