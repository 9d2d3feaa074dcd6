"""The client against a scripted gateway."""

import asyncio
import socket
from typing import get_args

import pytest

from antiphon.client import Event, connect
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.stage_pb2 import Capacity
from services.runtime.errors import (
    Full,
    InvalidArgument,
    Unavailable,
)
from services.runtime.units import to_duration
from tests.fakes.gateway import Exchange, scripted_gateway


async def _one_turn(exchange: Exchange) -> None:
    await exchange.heard(0.04)
    await exchange.turn(1)


async def _silent(exchange: Exchange) -> None:
    await exchange.closed()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_events_come_in_the_order_of_the_gateway_and_end_after_ended() -> None:
    async with (
        scripted_gateway(_one_turn) as gateway,
        connect(gateway.target) as client,
        client.converse() as conversation,
    ):
        await conversation.send_audio(bytes(1280))
        await conversation.finish()
        kinds = [type(event) async for event in conversation]
    assert kinds == [
        pb.UserTranscript,
        pb.ReplyStarted,
        pb.ReplyText,
        pb.ReplyText,
        pb.ReplyAudio,
        pb.ReplyAudio,
        pb.TurnEnded,
        pb.ConversationEnded,
    ]


async def test_entering_hands_over_the_config_and_brings_the_defaults_back() -> None:
    config = pb.ConversationConfig(voice="joe", language="en")
    async with scripted_gateway(_silent) as gateway, connect(gateway.target) as client:
        async with client.converse(config) as conversation:
            assert conversation.ready.output_format.sample_rate == 24_000
        assert gateway.exchanges[0].config == config


async def test_every_way_of_sending_arrives_as_its_own_message() -> None:
    async with scripted_gateway(_silent) as gateway, connect(gateway.target) as client:
        async with client.converse() as conversation:
            await conversation.send_audio(b"\x01\x00")
            await conversation.send_text("hi", respond=False)
            await conversation.send_image(b"png", "image/png")
            await conversation.send_tool_result("call-1", "{}")
            await conversation.commit()
            await conversation.clear()
            await conversation.cancel_reply()
            await conversation.truncate(3, 1.25)
            await conversation.set_turn_taking(
                pb.TurnTaking(manual=pb.ManualEndpointing())
            )
            await conversation.finish()
            async for _ in conversation:
                pass
        requests = gateway.exchanges[0].requests
    assert [request.WhichOneof("message") for request in requests] == [
        "audio",
        "text",
        "image",
        "tool_result",
        "commit",
        "clear",
        "cancel",
        "truncate",
        "turn_taking",
    ]
    assert requests[-2].truncate.heard.ToMilliseconds() == 1250
    assert requests[-1].turn_taking.WhichOneof("endpointing") == "manual"
    kinds = {field.name for field in pb.ConverseRequest.DESCRIPTOR.fields}
    assert {request.WhichOneof("message") for request in requests} == kinds - {"config"}


def test_every_kind_of_event_in_the_contract_has_its_type() -> None:
    kinds = [field.message_type for field in pb.ConverseResponse.DESCRIPTOR.fields]
    assert {kind.DESCRIPTOR.full_name for kind in get_args(Event)} == {
        kind.full_name for kind in kinds if kind is not None
    }


async def test_turns_are_taken_otherwise_while_the_conversation_goes_on() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.turn(1)
        asked = (await exchange.got("turn_taking")).turn_taking
        asked.predicted.max_wait.CopyFrom(to_duration(4.0))
        await exchange.say(turn_taking=asked)
        await exchange.say(reply_ducked=pb.ReplyDucked(turn=2, ducked=True))

    eager = pb.TurnTaking(
        predicted=pb.PredictedEndpointing(eagerness=pb.EAGERNESS_LOW),
        interrupt=pb.INTERRUPT_POLICY_WORDS,
    )
    told: list[Event] = []
    async with (
        scripted_gateway(script) as gateway,
        connect(gateway.target) as client,
        client.converse() as conversation,
    ):
        async for event in conversation:
            match event:
                case pb.TurnEnded():
                    await conversation.set_turn_taking(eager)
                case pb.TurnTaking():
                    told.append(event)
                    await conversation.finish()
                case pb.ReplyDucked():
                    told.append(event)
    eager.predicted.max_wait.CopyFrom(to_duration(4.0))
    assert told == [eager, pb.ReplyDucked(turn=2, ducked=True)]


async def test_several_tasks_may_send_at_once() -> None:
    async with scripted_gateway(_silent) as gateway, connect(gateway.target) as client:
        async with client.converse() as conversation:
            await asyncio.gather(*(conversation.commit() for _ in range(20)))
            await conversation.finish()
            async for _ in conversation:
                pass
        assert len(gateway.exchanges[0].requests) == 20


async def test_unknown_kinds_of_events_are_skipped() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.say()
        await exchange.say(speech_started=pb.SpeechStarted())

    async with (
        scripted_gateway(script) as gateway,
        connect(gateway.target) as client,
        client.converse() as conversation,
    ):
        await conversation.finish()
        kinds = [type(event) async for event in conversation]
    assert kinds == [pb.SpeechStarted, pb.ConversationEnded]


async def test_nobody_there_is_unavailable_and_names_the_gateway() -> None:
    target = f"127.0.0.1:{_free_port()}"
    async with connect(target) as client:
        with pytest.raises(Unavailable, match=target):
            async with client.converse():
                pass
        with pytest.raises(Unavailable, match=target):
            await client.describe()


async def test_a_gateway_that_accepts_and_never_answers_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with connect(f"127.0.0.1:{mute.getsockname()[1]}") as client:
            with pytest.raises(Unavailable, match="did not answer within"):
                async with client.converse(answer_within=0.1):
                    pass


async def test_a_full_gateway_is_full() -> None:
    async with (
        scripted_gateway(_silent, max_streams=1) as gateway,
        connect(gateway.target) as client,
        client.converse(),
    ):
        with pytest.raises(Full, match="all 1 streams"):
            async with client.converse():
                pass


async def test_a_refusal_names_its_field() -> None:
    async def script(exchange: Exchange) -> None:
        raise InvalidArgument("config.voice", "unknown voice 'x'", ["joe"])

    async with scripted_gateway(script) as gateway, connect(gateway.target) as client:
        with pytest.raises(InvalidArgument, match=r"config\.voice.*joe") as refused:
            async with client.converse() as conversation:
                async for _ in conversation:
                    pass
    assert refused.value.field == "config.voice"


async def test_sending_into_a_conversation_that_broke_says_why_it_broke() -> None:
    async def script(exchange: Exchange) -> None:
        raise Full("no room left")

    async with (
        scripted_gateway(script) as gateway,
        connect(gateway.target) as client,
        client.converse() as conversation,
    ):
        with pytest.raises(Full, match="no room left"):
            async for _ in conversation:
                pass
        with pytest.raises(Full, match="no room left"):
            await conversation.commit()


async def test_nothing_can_be_sent_after_finish() -> None:
    async with (
        scripted_gateway(_silent) as gateway,
        connect(gateway.target) as client,
        client.converse() as conversation,
    ):
        await conversation.finish()
        with pytest.raises(Unavailable, match=r"finish|ended"):
            await conversation.commit()


async def test_leaving_early_ends_the_conversation_at_the_gateway() -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        came.set()
        try:
            await exchange.closed()
            await asyncio.Event().wait()
        finally:
            left.set()

    async with scripted_gateway(script) as gateway, connect(gateway.target) as client:
        async with client.converse():
            # A call that is given up before the server has seen it never is a conversation there.
            await came.wait()
        async with asyncio.timeout(5):
            await left.wait()


async def test_describe_brings_what_the_gateway_says() -> None:
    description = pb.ConversationDescribeResponse(capacity=Capacity(streams=7))
    async with (
        scripted_gateway(_silent, description=description) as gateway,
        connect(gateway.target) as client,
    ):
        assert (await client.describe()).capacity.streams == 7
