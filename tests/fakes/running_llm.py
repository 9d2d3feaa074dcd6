"""A language-model proxy on a free port, and the words to talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from antiphon.v1 import llm_pb2, llm_pb2_grpc, stage_pb2
from services.llm.service import LanguageModelService
from services.llm.settings import LlmSettings
from services.runtime.admission import Admission
from services.runtime.errors import AntiphonError, from_rpc_error
from services.runtime.server import bind, create_server
from tests.fakes.upstream import Exchange

Serve = Callable[..., AbstractAsyncContextManager[Any]]
ROUND_TRIP = 10.0
"""Seconds after which a test that waits for the other side has failed."""


@asynccontextmanager
async def serving_proxy(
    *upstreams: dict[str, Any], max_streams: int = 4, started: bool = True, **more: Any
) -> AsyncIterator[str]:
    """The address of a proxy before those upstreams; not ``started``: one that still warms up.

    ``more`` are further settings of the proxy.
    """
    settings = LlmSettings(
        port=0, max_streams=max_streams, upstreams=list(upstreams), **more
    )
    service = LanguageModelService(settings)
    service.admission = Admission(settings.max_streams)
    server = create_server(settings, service.admission)
    service.register(server)
    port = bind(server, settings)
    await server.start()
    if started:
        await service.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
        await service.stop()


@asynccontextmanager
async def running_proxy(*upstreams: dict[str, Any], **more: Any) -> AsyncIterator[Any]:
    """A stub of such a proxy."""
    async with (
        serving_proxy(*upstreams, **more) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield llm_pb2_grpc.LanguageModelStub(channel)


def message(text: str, role: Any = llm_pb2.ROLE_USER) -> llm_pb2.Message:
    return llm_pb2.Message(role=role, content=[llm_pb2.ContentPart(text=text)])


def asking(conversation: str = "", **fields: Any) -> llm_pb2.GenerateRequest:
    turn = stage_pb2.TurnRef(conversation_id=conversation, turn=1, revision=1)
    return llm_pb2.GenerateRequest(
        **{"turn": turn, "messages": [message("Hello?")], **fields}
    )


def beginning(conversation: str = "a", **fields: Any) -> llm_pb2.PrepareRequest:
    turn = stage_pb2.TurnRef(conversation_id=conversation)
    return llm_pb2.PrepareRequest(
        **{"turn": turn, "messages": [message("Hello?")], **fields}
    )


async def reply(
    stub: Any, request: llm_pb2.GenerateRequest | None = None, **call: Any
) -> list[llm_pb2.GenerateResponse]:
    return [r async for r in stub.Generate(request or asking(), **call)]


async def failure(stub: Any, *args: Any, **call: Any) -> AntiphonError:
    """The error that a Generate ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reply(stub, *args, **call)
    assert caught.value.code() is not grpc.StatusCode.UNKNOWN
    return from_rpc_error(caught.value, "llm")


def text_of(responses: list[llm_pb2.GenerateResponse]) -> str:
    return "".join(response.text for response in responses)


def tried(responses: list[llm_pb2.GenerateResponse]) -> list[tuple[str, str]]:
    """Upstreams and outcomes of a reply's attempts, in order."""
    return [(a.upstream, a.outcome) for a in responses[-1].summary.attempts]


def attempts(outcome: str, upstream: str = "scripted") -> float:
    """Tries at an upstream that ended so, as its metric counts them."""
    labels = {"upstream": upstream, "outcome": outcome}
    return REGISTRY.get_sample_value("antiphon_upstream_attempts_total", labels) or 0


async def left(exchange: Exchange) -> None:
    """Wait until the upstream has seen its client leave."""
    async with asyncio.timeout(ROUND_TRIP):
        await exchange.left.wait()
