"""A name server on a port of its own, whose one name has the addresses that a test gives it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_HEADER = struct.Struct("!HHHHHH")
_A, _IN = 1, 1
_OK, _NO_SUCH_NAME = 0, 3
_CACHED_SECONDS = 600
"""What Docker's name server allows; whoever takes it at its word finds no replica that comes."""


class Names(asyncio.DatagramProtocol):
    """Answers questions for IPv4 addresses (RFC 1035), whatever the name.

    Attributes:
        addresses: of the name; while there are none, there is no such name.
        address: where it answers.
        asked: questions so far.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.addresses: list[str] = []
        self.address = ""
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        end = _HEADER.size
        while data[end]:
            end += 1 + data[end]
        end += 1
        (kind,) = struct.unpack_from("!H", data, end)
        question = data[_HEADER.size : end + 4]
        self.asked += 1
        found = self.addresses if kind == _A else []
        code = _OK if self.addresses else _NO_SUCH_NAME
        (number,) = struct.unpack_from("!H", data)
        answer = _HEADER.pack(number, 0x8180 | code, 1, len(found), 0, 0) + question
        for address in found:
            # The name is the question's: it stands behind the header.
            answer += struct.pack(
                "!HHHIH", 0xC000 | _HEADER.size, _A, _IN, _CACHED_SECONDS, 4
            )
            answer += socket.inet_aton(address)
        self._transport.sendto(answer, peer)


@asynccontextmanager
async def names() -> AsyncIterator[Names]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        Names, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
