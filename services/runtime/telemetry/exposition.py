"""What each process answers on its metrics port: ``/metrics``, in the format that the scraper asks for."""

import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

REQUEST_SECONDS = 10.0
"""Silence after which a connection is closed; each holds a thread."""


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape is no news."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report it, unless the client has gone or says nothing."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def serve(port: int, host: str) -> tuple[WSGIServer, threading.Thread]:
    """Serve ``/metrics``; shut the server down at the end.

    Raises:
        OSError: the port is taken, or nobody knows the host.
    """
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = found[0]

    class Server(_Server):
        address_family = family

    server = Server((str(address[0]), port), _Handler)
    server.set_app(make_wsgi_app())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    return server, thread
