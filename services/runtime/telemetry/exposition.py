"""What each process answers on its metrics port: ``/metrics``, in the format that the scraper asks for, and its pages."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import make_wsgi_app

REQUEST_SECONDS = 10.0
"""Silence after which a connection is closed; each holds a thread."""

MOST_CONNECTIONS = 32
"""At once; further ones are closed. A few scrapers need a few, and each that says nothing would cost a thread and a file."""

Page = Callable[[Mapping[str, str]], object]
"""Makes a JSON document from a request's query.

Called in a thread of the metrics port's, never on the event loop. A ``ValueError`` says what is wrong with the query.
"""


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape is no news."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int]) -> None:
        self._places = threading.Semaphore(MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is a place."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report it, unless the client has gone or says nothing."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def serve(
    port: int, host: str, pages: Mapping[str, Page] | None = None
) -> tuple[WSGIServer, threading.Thread]:
    """Serve ``/metrics`` and pages; shut the server down at the end.

    Args:
        port: to listen on; 0 takes a free one.
        host: address to listen on.
        pages: JSON documents by path.

    Raises:
        OSError: the port is taken, or nobody knows the host.
    """
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = found[0]

    class Server(_Server):
        address_family = family

    server = Server((str(address[0]), port))
    server.set_app(_application(pages or {}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    return server, thread


def _application(pages: Mapping[str, Page]) -> WSGIApplication:
    metrics = make_wsgi_app()

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            answered: Iterable[bytes] = metrics(environ, start)
            return answered
        if path not in pages:
            known = " ".join(["/metrics", *pages])
            return _say(start, "404 Not Found", {"error": f"there is only {known}"})
        if environ["REQUEST_METHOD"] != "GET":
            return _say(start, "405 Method Not Allowed", {"error": "GET it"})
        try:
            document = pages[path](dict(parse_qsl(environ["QUERY_STRING"])))
        except ValueError as error:
            return _say(start, "400 Bad Request", {"error": str(error)})
        return _say(start, "200 OK", document)

    return answer


def _say(start: StartResponse, status: str, document: object) -> list[bytes]:
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start(status, headers)
    return [body]
