"""Whatever clients do, what metrics are labelled with stays within what is documented, and no id gets among it."""

import asyncio
import re
import uuid
from collections.abc import Iterator
from math import prod

import aiohttp
import grpc
import pytest
from prometheus_client import REGISTRY

from antiphon.client import connect
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import stt_pb2
from antiphon.v1.stage_pb2 import TurnRef
from services.runtime import errors
from services.runtime.streams import send
from services.runtime.telemetry import labels, page
from tests.fakes.doors import OpenDoors, doors
from tests.fakes.stages import Script, serving

CONVERSATIONS = 50

MOST_CONFIGURED = 20
"""Upstreams, or routes, or any such thing that an operator writes down."""

MOST_SERIES = 2_000
"""Of one metric, whatever happens; buckets aside."""

ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}|\d{4}|item_|conv_|call_|sess_|resp_")
"""How ids look, here and in OpenAI's protocols."""


def written_down() -> Iterator[tuple[str, str, str]]:
    """Metric, label and value of every sample of ours."""
    ours = {next(iter(metric.describe())).name for metric in page.metrics_listed()}
    for family in REGISTRY.collect():
        if family.name in ours:
            for sample in family.samples:
                for label, value in sample.labels.items():
                    if label != "le":
                        yield family.name, label, value


def allowed() -> dict[tuple[str, str], labels.Values]:
    return {
        (next(iter(metric.describe())).name, label): values
        for metric, carried in labels.OF.items()
        for label, values in carried.items()
    }


async def write_and_hang_up(opened: OpenDoors, number: int) -> None:
    """Conversations whose options nobody has seen before."""
    config = pb.ConversationConfig(
        instructions=str(uuid.uuid4()),
        language=f"x-{number}" if number % 9 == 1 else "",
        model=f"model-{number}" if number % 5 == 0 else "",
    )
    try:
        async with (
            connect(opened.grpc) as client,
            client.converse(config) as conversation,
        ):
            await conversation.send_text(f"word {number}")
            async for event in conversation:
                if isinstance(event, pb.TurnEnded):
                    break
            if number % 2:
                await conversation.finish()
    except errors.AntiphonError:
        pass


async def ask_what_is_not_there(opened: OpenDoors) -> None:
    async with aiohttp.ClientSession(opened.http) as http:
        for number in range(20):
            for method in ("GET", "POST", "DELETE", f"M{number}"):
                path = f"/v1/{uuid.uuid4()}" if number % 2 else f"/v1/models/{number}"
                async with http.request(method, path):
                    pass
        async with http.post("/v1/audio/speech", json={"model": str(uuid.uuid4())}):
            pass


async def call_what_is_not_there(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        for number in range(20):
            call = channel.unary_unary(f"/antiphon.v1.Conversation/Method{number}")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"")
        for number in range(5):
            stream = channel.stream_stream(
                "/antiphon.v1.SpeechToText/Transcribe",
                request_serializer=stt_pb2.TranscribeRequest.SerializeToString,
            )()
            turn = TurnRef(conversation_id=str(uuid.uuid4()), turn=number)
            config = stt_pb2.TranscribeConfig(turn=turn)
            # Refused by some before it is written, which grpc's own `write` would make an error of its own.
            await send(stream, stt_pb2.TranscribeRequest(config=config))
            stream.cancel()


async def test_labels_stay_within_what_is_documented_whatever_clients_do() -> None:
    before = set(written_down())
    failing = iter(range(CONVERSATIONS))

    def write(_request: object) -> list[str]:
        if next(failing, 0) % 7 == 3:
            raise RuntimeError(str(uuid.uuid4()))
        return ["All right."]

    async with doors(Script(write=write), max_streams=CONVERSATIONS) as opened:
        async with asyncio.TaskGroup() as crowd:
            for number in range(CONVERSATIONS):
                crowd.create_task(write_and_hang_up(opened, number))
        await ask_what_is_not_there(opened)
        await call_what_is_not_there(opened.grpc)
    async with serving(Script()) as stages:
        await call_what_is_not_there(stages)

    documented, found = allowed(), set(written_down())
    assert ("antiphon_turns", "outcome", "failed") in found
    assert ("antiphon_rpc_duration_seconds", "method", "Converse") in found
    assert ("antiphon_http_request_duration_seconds", "route", "other") in found
    for metric, label, value in sorted(found):
        values = documented[metric, label]
        if not isinstance(values, labels.AsConfigured):
            assert value in values, (metric, label, value)
        elif (metric, label, value) not in before:
            assert not ID.search(value), (metric, label, value)


@pytest.mark.parametrize("metric", labels.OF, ids=page.exported_name)
def test_no_metric_may_have_more_series_than_a_scrape_bears(
    metric: labels.Metric,
) -> None:
    sizes = [
        MOST_CONFIGURED if isinstance(values, labels.AsConfigured) else len(values)
        for values in labels.OF[metric].values()
    ]
    assert prod(sizes) <= MOST_SERIES
