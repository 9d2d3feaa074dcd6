"""Ways to ask a process whether it is ready."""

import asyncio
import ssl
from typing import Protocol

import grpc
from grpc_health.v1 import health, health_pb2

_ANSWER_SECONDS = 2.0
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Probe(Protocol):
    """Asks one process."""

    async def ready(self) -> bool:
        """Whether it is ready; False also where nobody answers."""
        ...

    async def alive(self, seconds: float) -> bool:
        """Whether it answers anything at all within so many seconds."""
        ...


class GrpcHealth:
    """``grpc.health.v1``: ready is SERVING."""

    def __init__(self, target: str, service: str = "") -> None:
        """A probe.

        Args:
            target: ``host:port``.
            service: full name of a gRPC service; default: the process as a whole.
        """
        self._target = target
        self._request = health_pb2.HealthCheckRequest(service=service)

    async def ready(self) -> bool:
        """Whether it is ready; False also where nobody answers."""
        try:
            answer = await self._check(_ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    async def alive(self, seconds: float) -> bool:
        """Whether it answers anything at all within so many seconds."""
        try:
            await self._check(seconds)
        except grpc.aio.AioRpcError as error:
            return error.code() not in _NO_ANSWER
        return True

    async def _check(self, seconds: float) -> health_pb2.HealthCheckResponse:
        async with grpc.aio.insecure_channel(
            # Channels share connections by address, and with them the wait after a refused one.
            self._target,
            options=(("grpc.use_local_subchannel_pool", 1),),
        ) as channel:
            check = channel.unary_unary(
                f"/{health.SERVICE_NAME}/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            answer: health_pb2.HealthCheckResponse = await check(
                self._request, timeout=seconds
            )
            return answer


class HttpHealth:
    """HTTP GET: ready is status 200."""

    def __init__(
        self, host: str, port: int, path: str = "/health", tls: bool = False
    ) -> None:
        """A probe.

        Args:
            host: where.
            port: likewise.
            path: what to ask for.
            tls: whether it is encrypted there. The certificate is not checked: it names the host that clients know,
                and a probe tells nothing that others must not hear.
        """
        self._host = host
        self._port = port
        self._tls = _unchecked() if tls else None
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        ).encode()

    async def ready(self) -> bool:
        """Whether it is ready; False also where nobody answers."""
        return (await self._status(_ANSWER_SECONDS)).split()[1:2] == [b"200"]

    async def alive(self, seconds: float) -> bool:
        """Whether it answers anything at all within so many seconds."""
        return bool(await self._status(seconds))

    async def _status(self, seconds: float) -> bytes:
        """The first line of the answer; empty where there is none."""
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls
                )
                try:
                    writer.write(self._request)
                    return await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return b""


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
