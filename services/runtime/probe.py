"""``python -m services.runtime.probe ADDRESS [SERVICE]`` asks a process whether it is well: status 0 if it is, else 1.

ADDRESS is ``HOST:PORT`` of a gRPC server, which is asked by ``grpc.health.v1`` (for SERVICE, or as a whole), with TLS where
the server has it; or ``http://HOST:PORT/PATH``, where any 2xx is well.

Health checks of containers run this every few seconds beside the engines. So it speaks just enough HTTP/2 by itself, and
takes 25 ms of a core where importing gRPC takes 90.
"""

import socket
import struct
import sys
import time
from urllib.parse import urlsplit

SECONDS = 3.0
"""To connect, and then for the whole answer: whoever sends it byte by byte, or never ends, is not waited for."""

_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")

# HTTP/2's frames (RFC 9113, section 6) and their flags.
_DATA, _HEADERS, _RST_STREAM, _SETTINGS = 0x0, 0x1, 0x3, 0x4
_END_STREAM, _END_HEADERS = 0x1, 0x4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_REQUEST = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/grpc.health.v1.Health/Check",
    ":authority": "localhost",
    "content-type": "application/grpc",
    "te": "trailers",
}
_STREAM = 1


class Unwell(Exception):
    """It is not well; the message is one line."""


def probe(address: str, service: str = "") -> str:
    """Ask, and return one line about what is well.

    Args:
        address: ``host:port`` of a gRPC server, or a URL.
        service: full name of a gRPC service; empty: the process as a whole.

    Raises:
        Unwell: it is not, or nobody answers.
    """
    try:
        status, well = _get(address) if "://" in address else _check(address, service)
    except (OSError, ValueError) as error:
        raise Unwell(f"{address} does not answer: {error}") from None
    if not well:
        raise Unwell(f"{address} is {status}")
    return f"{address} is {status}"


def _get(url: str) -> tuple[str, bool]:
    """The status of a page."""
    parts = urlsplit(url)
    with _connected(parts.hostname or "", parts.port or 80) as connection:
        until = time.monotonic() + SECONDS
        connection.sendall(
            f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        status = _read(connection, len("HTTP/1.1 200"), until)[-3:].decode("ascii")
    return status, status.startswith("2")


def _check(address: str, service: str) -> tuple[str, bool]:
    """What a gRPC server says of its health."""
    host, _, port = address.rpartition(":")
    try:
        with _connected(host, int(port)) as connection:
            status = _health(connection, service)
    except ConnectionRefusedError:
        raise
    except ConnectionError:
        # What speaks TLS hangs up on who does not.
        with _encrypted(_connected(host, int(port))) as connection:
            status = _health(connection, service)
    return status, status == "SERVING"


def _connected(host: str, port: int) -> socket.socket:
    return socket.create_connection((host.strip("[]"), port), SECONDS)


def _encrypted(connection: socket.socket) -> socket.socket:
    import ssl

    # The certificate names the host that clients know, and a probe tells nothing that others must not hear.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection)


def _health(connection: socket.socket, service: str) -> str:
    """The answer to ``grpc.health.v1.Health.Check``.

    Raises:
        ConnectionError: the server hung up.
        TimeoutError: it did not answer in time.
    """
    until = time.monotonic() + SECONDS
    name = service.encode()
    # HealthCheckRequest: its first field is a string.
    message = b"\x0a" + _counted(name) if name else b""
    # HPACK's literals without indexing: nothing to keep of them, nothing to look up.
    headers = (
        b"\x00" + _counted(key.encode()) + _counted(value.encode())
        for key, value in _REQUEST.items()
    )
    connection.sendall(
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, _STREAM, b"".join(headers))
        # Not compressed, and so long.
        + _frame(
            _DATA, _END_STREAM, _STREAM, struct.pack(">BI", 0, len(message)) + message
        )
    )
    answer, over = b"", False
    while not over:
        head = _read(connection, 9, until)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = _read(connection, int.from_bytes(head[:3], "big"), until)
        if stream == _STREAM:
            answer += payload if kind == _DATA else b""
            over = kind == _RST_STREAM or (
                kind in (_DATA, _HEADERS) and flags & _END_STREAM
            )
    if len(answer) < 5:
        return "not telling: it answered with an error"
    # HealthCheckResponse: its first field is the status; nothing at all is the first one.
    status = answer[6] if len(answer) > 6 else 0
    return _STATUSES[status] if status < len(_STATUSES) else f"in status {status}"


def _counted(text: bytes) -> bytes:
    """A text behind its length.

    Raises:
        ValueError: it is too long for this.
    """
    if len(text) > 126:
        raise ValueError(f"{len(text)} characters are more than 126")
    return bytes((len(text),)) + text


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big")
        + struct.pack(">BBI", kind, flags, stream)
        + payload
    )


def _read(connection: socket.socket, count: int, until: float) -> bytes:
    """So many bytes.

    Raises:
        ConnectionError: it ended before.
        TimeoutError: they had not come by then.
    """
    read = b""
    while len(read) < count:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        more = connection.recv(count - len(read))
        if not more:
            raise ConnectionResetError("it hung up")
        read += more
    return read


def main(arguments: list[str]) -> None:
    """Ask as the command line says; leaves with status 1 where it is not well."""
    if not 1 <= len(arguments) <= 2:
        sys.exit(
            "usage: python -m services.runtime.probe ADDRESS [SERVICE]   (HOST:PORT of gRPC, or http://HOST:PORT/PATH)"
        )
    try:
        print(probe(*arguments))
    except Unwell as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main(sys.argv[1:])
