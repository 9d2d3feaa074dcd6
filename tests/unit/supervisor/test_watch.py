"""When a process that was ready is taken for hanging."""

import socket

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from antiphon.supervisor import GrpcHealth, HttpHealth, WatchPolicy
from antiphon.supervisor.watch import until_silent


class Scripted:
    """A process that answers some of its probes."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.patience: set[float] = set()

    async def ready(self) -> bool:
        return True

    async def alive(self, seconds: float) -> bool:
        self.patience.add(seconds)
        return self.answers.pop(0)


async def test_only_misses_in_a_row_count() -> None:
    probe = Scripted(False, False, True, False, True, False, False, False, True)
    await until_silent(probe, WatchPolicy(every=0, answer=3, misses=3))
    assert probe.answers == [True]
    assert probe.patience == {3}


async def test_a_ready_process_may_be_silent_for_twenty_seconds() -> None:
    policy = WatchPolicy()
    assert policy.every * policy.misses >= 20


@pytest.mark.parametrize("service", ["antiphon.v1.SpeechToText", "somebody.else"])
async def test_any_answer_is_a_sign_of_life(service: str) -> None:
    server = grpc.aio.server()
    healthy = health.aio.HealthServicer()
    await healthy.set(
        "antiphon.v1.SpeechToText", health_pb2.HealthCheckResponse.NOT_SERVING
    )
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    probe = GrpcHealth(f"127.0.0.1:{port}", service)
    assert not await probe.ready()
    assert await probe.alive(20)
    await server.stop(None)


async def test_a_connection_that_only_the_system_takes_is_none() -> None:
    # As of a process that is stopped: the system still queues its connections.
    with socket.create_server(("127.0.0.1", 0)) as stopped:
        port = stopped.getsockname()[1]
        assert not await GrpcHealth(f"127.0.0.1:{port}").alive(0.1)
        assert not await HttpHealth("127.0.0.1", port).alive(0.1)
    assert not await GrpcHealth(f"127.0.0.1:{port}").alive(20)
    assert not await HttpHealth("127.0.0.1", port).alive(20)
