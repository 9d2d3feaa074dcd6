"""Errors keep their kind across a hop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from antiphon.v1.llm_pb2 import GenerateRequest, PrepareRequest
from antiphon.v1.llm_pb2_grpc import (
    LanguageModelServicer,
    LanguageModelStub,
    add_LanguageModelServicer_to_server,
)
from services.runtime import errors
from services.runtime.admission import Admission
from services.runtime.channel import open_channel
from services.runtime.server import bind, create_server
from services.runtime.settings import ServiceSettings


class Failing(LanguageModelServicer):
    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def Prepare(self, _request: object, _context: object) -> None:
        raise self._failure

    async def Generate(self, _request: object, _context: object) -> None:
        raise self._failure


@asynccontextmanager
async def stub_that_fails(
    failure: Exception, capacity: int = 1
) -> AsyncIterator[LanguageModelStub]:
    settings = ServiceSettings()
    server = create_server(settings, Admission(capacity))
    add_LanguageModelServicer_to_server(Failing(failure), server)
    address = f"127.0.0.1:{bind(server, settings)}"
    await server.start()
    try:
        async with open_channel(address) as channel:
            yield LanguageModelStub(channel)
    finally:
        await server.stop(0)


@pytest.mark.parametrize(
    "error",
    [
        errors.Full("full", retry_after=2.5),
        errors.TooMuch("too much"),
        errors.TooMuch("too much for now", retry_after=2.5),
        errors.Unauthenticated("no key"),
        errors.PermissionDenied("not with this key"),
        errors.Unavailable("gone"),
        errors.DeadlineExceeded("late"),
        errors.FailedPrecondition("no key"),
        errors.EngineError("broken"),
    ],
)
async def test_an_error_arrives_as_what_it_was(error: errors.AntiphonError) -> None:
    async with stub_that_fails(error) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Prepare(PrepareRequest())
    arrived = errors.from_rpc_error(raised.value, "llm")
    assert type(arrived) is type(error)
    assert raised.value.code() is error.code
    assert arrived.message == f"llm: {error.message}"
    if isinstance(error, errors.Full | errors.TooMuch):
        assert arrived.retry_after == error.retry_after


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("kind", [errors.Full, errors.Unavailable])
async def test_whether_other_replicas_would_do_better_arrives_too(
    kind: type[errors.AntiphonError], everywhere: bool
) -> None:
    error = kind("no")
    error.everywhere = everywhere
    async with stub_that_fails(error) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Prepare(PrepareRequest())
    arrived = errors.from_rpc_error(raised.value, "llm")
    assert (type(arrived), arrived.everywhere) == (kind, everywhere)


async def test_a_bad_field_arrives_by_name_on_a_stream_too() -> None:
    error = errors.InvalidArgument("config.voice", "'x' is not known", ["a", "b"])
    async with stub_that_fails(error) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Generate(GenerateRequest()).read()
    arrived = errors.from_rpc_error(raised.value, "llm")
    assert isinstance(arrived, errors.InvalidArgument)
    assert (arrived.field, arrived.problem) == (
        "config.voice",
        "'x' is not known; allowed: a, b",
    )
    bad = error_details_pb2.BadRequest()
    assert rpc_status.from_call(raised.value).details[0].Unpack(bad)


@pytest.mark.parametrize("character", ["x", "%", "é", "中", "\U0001f600", "\n"])
@pytest.mark.parametrize("length", [300, 2_000, 100_000])
async def test_a_long_value_does_not_change_what_an_error_is(
    character: str, length: int
) -> None:
    value = character * length
    for error in (
        errors.InvalidArgument("config.voice", f"{value} is not known", ["a", "b"]),
        errors.InvalidArgument(value, "is not known", [value, value]),
        errors.FailedPrecondition(value),
        errors.Full(value),
    ):
        async with stub_that_fails(error) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.Prepare(PrepareRequest())
        assert raised.value.code() is error.code
        arrived = errors.from_rpc_error(raised.value, "llm")
        assert type(arrived) is type(error)
        if isinstance(arrived, errors.InvalidArgument):
            assert isinstance(error, errors.InvalidArgument)
            assert (arrived.field, arrived.problem) == (error.field, error.problem)


def test_a_short_value_stays_whole() -> None:
    error = errors.InvalidArgument("f", "x" * 290, "y" * 290)
    assert error.message == f"f: {'x' * 290}; allowed: {'y' * 290}"


@pytest.mark.parametrize(
    ("details", "attached"),
    [
        ("late", errors.Unavailable("late").to_status().SerializeToString()),
        ("late", errors.DeadlineExceeded("early").to_status().SerializeToString()),
        ("late", b"\xff"),
    ],
)
def test_details_of_another_status_count_for_nothing(
    details: str, attached: bytes
) -> None:
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(("grpc-status-details-bin", attached)),
        details,
    )
    arrived = errors.from_rpc_error(error, "llm")
    assert isinstance(arrived, errors.DeadlineExceeded)
    assert arrived.message == "llm: late"


async def test_a_failure_that_nobody_foresaw_tells_its_kind_and_no_more() -> None:
    async with stub_that_fails(ValueError("secret words")) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="ValueError") as raised:
            await stub.Prepare(PrepareRequest())
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(raised.value.details())


async def test_the_stream_beyond_capacity_is_told_when_to_come_back() -> None:
    async with stub_that_fails(errors.EngineError("unreached"), capacity=0) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Generate(GenerateRequest()).read()
    assert isinstance(errors.from_rpc_error(raised.value, "llm"), errors.Full)


def test_a_draining_replica_sends_streams_elsewhere() -> None:
    admission = Admission(1)
    admission.drain()
    with pytest.raises(errors.Unavailable), admission.stream():
        pass


def test_a_place_is_free_again_after_a_failure() -> None:
    admission = Admission(1)
    with pytest.raises(RuntimeError), admission.stream():
        raise RuntimeError
    with admission.stream():
        assert admission.open == 1
    assert admission.open == 0


async def test_nobody_there_is_said_in_plain_words() -> None:
    async with open_channel("127.0.0.1:1") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await LanguageModelStub(channel).Prepare(PrepareRequest())
    assert (
        errors.from_rpc_error(raised.value, "llm").message
        == "llm cannot be reached; is it running?"
    )
