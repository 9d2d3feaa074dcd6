"""What comes between a client and a gateway, or instead of a client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Cable:
    """Carries bytes to a gateway and back until it is cut.

    Attributes:
        address: where clients plug in.
    """

    def __init__(self, gateway: str) -> None:
        self.address = ""
        self._gateway = gateway
        self._ends: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """Neither side is told goodbye."""
        for end in self._ends:
            end.transport.abort()

    async def _plug_in(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = self._gateway.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        self._ends += [writer, far_writer]
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(reader, far_writer))
            group.create_task(_carry(far_reader, writer))


@asynccontextmanager
async def cable(gateway: str) -> AsyncIterator[Cable]:
    laid = Cable(gateway)
    server = await asyncio.start_server(laid._plug_in, "127.0.0.1", 0)
    laid.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield laid
    finally:
        laid.cut()
        server.close()
        await server.wait_closed()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return


async def says_to(gateway: str, data: bytes) -> bytes:
    """What a gateway answers to a stranger's bytes until it hangs up."""
    host, _, port = gateway.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()
