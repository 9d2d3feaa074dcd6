"""Ways to ask a process whether it is ready."""

import asyncio
from typing import Protocol

import grpc
from grpc_health.v1 import health, health_pb2

_ANSWER_SECONDS = 2.0


class Probe(Protocol):
    """Asks one process."""

    async def ready(self) -> bool:
        """Whether it is ready; False also where nobody answers."""
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
        async with grpc.aio.insecure_channel(
            # Channels share connections by address, and with them the wait after a refused one.
            self._target,
            options=(("grpc.use_local_subchannel_pool", 1),),
        ) as channel:
            try:
                check = channel.unary_unary(
                    f"/{health.SERVICE_NAME}/Check",
                    request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                    response_deserializer=health_pb2.HealthCheckResponse.FromString,
                )
                answer = await check(self._request, timeout=_ANSWER_SECONDS)
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class HttpHealth:
    """HTTP GET: ready is status 200."""

    def __init__(self, host: str, port: int, path: str = "/health") -> None:
        self._host = host
        self._port = port
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        ).encode()

    async def ready(self) -> bool:
        """Whether it is ready; False also where nobody answers."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    writer.write(self._request)
                    status = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return False
        return status.split()[1:2] == [b"200"]
