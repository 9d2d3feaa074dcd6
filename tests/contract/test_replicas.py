"""Replicas come and go while clients call them."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from antiphon.v1 import audio_pb2, llm_pb2, tts_pb2
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.llm_pb2_grpc import LanguageModelStub
from antiphon.v1.tts_pb2_grpc import TextToSpeechStub
from gateway.stages import line
from gateway.stages.directory import Stages
from services.runtime.channel import open_channel
from services.runtime.streams import read, send
from tests.fakes.names import names
from tests.fakes.replica import replica
from tests.fakes.running_gateway import Client, ask, running
from tests.fakes.stages import Script, serving

if TYPE_CHECKING:
    from antiphon.v1.tts_pb2_grpc import TextToSpeechAsyncStub

HUNG = 40.0
"""Seconds after which a replica that hangs should be left out: four times what it is given, and less than the minute that gRPC
gives it."""

AGE = 0.2
"""Seconds that a connection lives here."""

PATIENCE = 60.0
"""Seconds after which what should happen has not."""

LEAVING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""What a call is told that comes to a replica which leaves; the latter where it comes just when the port is closed."""

FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def _ours(host: str) -> bool:
    try:
        with socket.create_server((host, 0)):
            return True
    except OSError:
        return False


several_addresses = pytest.mark.skipif(
    not all(map(_ours, (SECOND, THIRD))),
    reason=f"replicas need addresses of their own (macOS: sudo ifconfig lo0 alias {SECOND}; likewise {THIRD})",
)


class Talk:
    """A call that lasts."""

    def __init__(self, stub: "TextToSpeechAsyncStub") -> None:
        self.call = stub.Synthesize()

    async def begin(self) -> None:
        format = audio_pb2.AudioFormat(
            encoding=audio_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate=24_000
        )
        config = tts_pb2.SynthesizeConfig(format=format)
        await send(self.call, tts_pb2.SynthesizeRequest(config=config))
        started = await read(self.call)
        assert started is not None
        assert started.HasField("started")

    async def end(self) -> int:
        """Say two characters more; returns how many were spoken in all."""
        await send(self.call, tts_pb2.SynthesizeRequest(text="ab"))
        await self.call.done_writing()
        characters = 0
        while (response := await read(self.call)) is not None:
            characters = response.summary.characters
        assert await self.call.code() is grpc.StatusCode.OK
        return characters


async def who_answers(channel: grpc.aio.Channel, tries: int = 1) -> tuple[str, str]:
    """One call: the replica's host, and the connection that it came over.

    Args:
        channel: to all replicas.
        tries: of which the last one must not fail, and the others may only where a replica leaves.
    """
    while True:
        tries -= 1
        call = LanguageModelStub(channel).Generate(llm_pb2.GenerateRequest())
        try:
            first = await read(call)
        except grpc.aio.AioRpcError as error:
            if not tries or error.code() not in LEAVING:
                raise
            continue
        assert first is not None
        assert (await read(call)) is not None
        assert (await read(call)) is None
        host, connection = first.text.split()
        return host, connection


async def until_answered_by(
    channel: grpc.aio.Channel, *hosts: str, tries: int = 1
) -> None:
    """Call until each of them has answered, and none of the others since."""
    async with asyncio.timeout(PATIENCE):
        missing = set(hosts)
        while missing:
            host, _ = await who_answers(channel, tries)
            missing = missing - {host} if host in hosts else set(hosts)


@asynccontextmanager
async def talk(channel: grpc.aio.Channel) -> AsyncIterator[None]:
    """A call that lasts as long as the block, and loses nothing."""
    talking = Talk(TextToSpeechStub(channel))
    await talking.begin()
    yield
    assert await talking.end() == 2


async def test_an_old_connection_ends_and_no_call_with_it() -> None:
    async with (
        replica(connection_age=AGE) as only,
        open_channel(f"{FIRST}:{only.port}") as channel,
        talk(channel),
        asyncio.timeout(PATIENCE),
    ):
        connections = set()
        while len(connections) < 10:
            connections.add((await who_answers(channel))[1])


async def test_a_connection_without_an_age_stays() -> None:
    async with (
        replica(connection_age=0) as only,
        open_channel(f"{FIRST}:{only.port}") as channel,
    ):
        async with asyncio.timeout(PATIENCE):
            first = await who_answers(channel)
            assert {await who_answers(channel) for _ in range(100)} == {first}


@several_addresses
async def test_a_replica_that_comes_is_found_and_one_that_goes_is_missed_by_nobody() -> (
    None
):
    async with (
        names() as server,
        replica(FIRST, connection_age=AGE) as first,
        open_channel(f"dns://{server.address}/stage:{first.port}") as channel,
    ):
        server.addresses = [FIRST]
        await until_answered_by(channel, FIRST)
        async with (
            replica(SECOND, first.port, connection_age=AGE),
            replica(THIRD, first.port, connection_age=AGE),
        ):
            server.addresses = [FIRST, SECOND, THIRD]
            await until_answered_by(channel, FIRST, SECOND, THIRD)
            async with open_channel(f"{FIRST}:{first.port}") as beside:
                async with talk(beside), talk(channel), talk(channel), talk(channel):
                    first.process.terminate()
                    # It has a call to finish, and sends others on.
                    await until_answered_by(channel, SECOND, THIRD, tries=2)
                    assert first.process.returncode is None
                assert await first.ended() == 0
            server.addresses = [SECOND, THIRD]
            await until_answered_by(channel, SECOND, THIRD)


@several_addresses
async def test_whoever_does_not_watch_its_health_is_sent_away_too() -> None:
    async with (
        names() as server,
        replica(FIRST) as first,
        replica(SECOND, first.port) as second,
        grpc.aio.insecure_channel(
            f"dns://{server.address}/stage:{first.port}"
        ) as channel,
    ):
        server.addresses = [FIRST, SECOND]
        host, _ = await who_answers(channel)
        leaving = first if host == FIRST else second
        async with open_channel(f"{host}:{first.port}") as beside, talk(beside):
            leaving.process.terminate()
            async with asyncio.timeout(PATIENCE):
                while (await who_answers(channel, tries=sys.maxsize))[0] == host:
                    pass
            assert leaving.process.returncode is None
        assert await leaving.ended() == 0


@several_addresses
async def test_a_replica_that_hangs_is_left_out() -> None:
    async with (
        names() as server,
        replica(FIRST) as first,
        replica(SECOND, first.port),
        open_channel(f"dns://{server.address}/stage:{first.port}") as channel,
    ):
        server.addresses = [FIRST, SECOND]
        await until_answered_by(channel, FIRST, SECOND)
        first.process.send_signal(signal.SIGSTOP)
        stub, answered = LanguageModelStub(channel), 0
        async with asyncio.timeout(HUNG):
            while answered < 20:
                call = stub.Generate(llm_pb2.GenerateRequest(), timeout=1)
                try:
                    answered = answered + 1 if await read(call) is not None else 0
                except grpc.aio.AioRpcError:
                    answered = 0


async def test_a_second_signal_changes_nothing() -> None:
    async with (
        replica() as only,
        open_channel(f"{FIRST}:{only.port}") as channel,
    ):
        async with talk(channel):
            only.process.terminate()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(grpc.aio.AioRpcError):
                    while True:
                        await who_answers(channel)
            only.process.terminate()
            only.process.send_signal(signal.SIGINT)
        assert await only.ended() == 0


async def test_who_has_had_their_time_is_cut_off() -> None:
    async with (
        replica(drain_seconds=AGE) as only,
        open_channel(f"{FIRST}:{only.port}") as channel,
        asyncio.timeout(PATIENCE),
    ):
        talking = Talk(TextToSpeechStub(channel))
        await talking.begin()
        only.process.terminate()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await read(talking.call)
        assert raised.value.code() in LEAVING
        assert await only.ended() == 0


async def test_a_stage_whose_name_comes_late_is_found_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "RENEW_SECONDS", AGE)
    async with names() as server, replica() as late:
        stages = Stages(*[f"dns://{server.address}/stage:{late.port}"] * 3)
        try:
            async with asyncio.timeout(PATIENCE):
                # gRPC would ask so often in half an hour.
                while server.asked < 100:
                    assert (await stages.health())["tts"] == "UNAVAILABLE"
                server.addresses = [FIRST]
                while (await stages.health())["tts"] != "SERVING":
                    pass
        finally:
            await stages.close()


async def test_a_call_outlives_the_channel_that_reaches_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "RENEW_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        leaving = await stack.enter_async_context(replica(connection_age=AGE))
        stages = Stages(*[f"{FIRST}:{leaving.port}"] * 3)
        stack.push_async_callback(stages.close)
        async with asyncio.timeout(PATIENCE):
            while (await stages.health())["tts"] != "SERVING":
                pass
            talking = Talk(stages.tts)
            await talking.begin()
            leaving.process.terminate()
            while (await stages.health())["tts"] != "UNAVAILABLE":
                pass
            for _ in range(3):
                assert (await stages.health())["tts"] == "UNAVAILABLE"
            assert await talking.end() == 2
            assert await leaving.ended() == 0
            async with replica(port=leaving.port):
                while (await stages.health())["tts"] != "SERVING":
                    pass


async def test_whoever_closes_waits_for_no_call_on_a_channel_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "RENEW_SECONDS", 0.0)
    async with replica() as leaving, asyncio.timeout(PATIENCE):
        stages = Stages(*[f"{FIRST}:{leaving.port}"] * 3)
        while (await stages.health())["tts"] != "SERVING":
            pass
        talking = Talk(stages.tts)
        await talking.begin()
        leaving.process.terminate()
        while (await stages.health())["tts"] != "UNAVAILABLE":
            pass
        assert (await stages.health())["tts"] == "UNAVAILABLE"
        await stages.close()
        assert not talking.call.done()
        assert await talking.end() == 2


async def test_a_conversation_outlives_its_connection() -> None:
    async with (
        serving(Script()) as stages,
        running(stages, connection_age=AGE) as gateway,
        asyncio.timeout(PATIENCE),
    ):
        lasting = await Client.open(gateway)
        until = asyncio.get_running_loop().time() + 5 * AGE
        while asyncio.get_running_loop().time() < until:
            other = await Client.open(gateway)
            assert (await ask(other)).outcome == pb.TURN_OUTCOME_ANSWERED
            await other.call.done_writing()
            await other.until("ended")
        assert (await ask(lasting)).outcome == pb.TURN_OUTCOME_ANSWERED
