"""What nobody should send to a gateway, and that it answers the next person as if nothing had been."""

import asyncio
import random

import grpc
import pytest

from antiphon.client import connect
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.audio_pb2 import AudioChunk
from antiphon.v1.conversation_pb2_grpc import ConversationStub
from services.runtime.streams import send
from tests.e2e.house import House
from tests.e2e.strangers import cable, says_to
from tests.e2e.talking import PATIENCE, talking, word_error_rate, words_of
from tests.fakes.upstream import says
from tests.microphone import QUESTIONS, RATE, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NOISE = random.Random(7).randbytes(200_000)
HUNDRED_MEGABYTES = AudioChunk(samples=bytes(100 * 10**6))
TEN_SECONDS = bytes(10 * RATE * 2)


async def test_a_hundred_megabytes_in_one_message_are_refused(house: House) -> None:
    unlimited = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(house.gateway, options=unlimited) as channel:
        call = ConversationStub(channel).Converse()
        await call.write(pb.ConverseRequest(config=pb.ConversationConfig()))
        first = await call.read()
        assert isinstance(first, pb.ConverseResponse) and first.HasField("ready")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await send(call, pb.ConverseRequest(audio=HUNDRED_MEGABYTES))
            await call.read()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await a_question_is_answered(house)


@pytest.mark.parametrize(
    "data",
    [NOISE, HTTP2_PREFACE + NOISE, b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"],
    ids=["noise", "noise that begins well", "HTTP/1.1"],
)
async def test_a_stranger_who_speaks_no_grpc_is_hung_up_on(
    house: House, data: bytes
) -> None:
    async with asyncio.timeout(PATIENCE):
        await says_to(house.gateway, data)
    await a_question_is_answered(house)


async def test_clients_that_vanish_in_the_middle_of_a_sentence_leave_nothing_behind(
    house: House,
) -> None:
    beginning = recording(QUESTIONS[1], end=1.0).samples
    for _ in range(20):
        async with (
            cable(house.gateway) as line,
            connect(line.address) as client,
            client.converse() as conversation,
        ):
            await conversation.send_audio(beginning)
            async for event in conversation:
                if isinstance(event, pb.SpeechStarted):
                    break
            line.cut()
    await a_question_is_answered(house)


async def test_an_answer_of_emoji_alone_ends_calmly_without_a_sound(
    house: House,
) -> None:
    house.upstream.answers.append(says("🙂🙂"))
    async with talking(house.gateway) as person:
        turn = await person.write("How do you feel?")
        assert turn.ended.outcome == pb.TURN_OUTCOME_EMPTY
        assert turn.text == "🙂🙂"
        assert turn.audio == b""
        assert not turn.ended.HasField("error")
        answered = await person.ask(recording(QUESTIONS[2]))
        assert answered.ended.outcome == pb.TURN_OUTCOME_ANSWERED


async def test_ten_minutes_of_silence_are_not_a_word_and_do_no_harm(
    house: House,
) -> None:
    async with talking(house.gateway, microphone=False) as person:
        for _ in range(60):
            await person.conversation.send_audio(TEN_SECONDS)
        async with person.microphone:
            turn = await person.ask(recording(QUESTIONS[2]))
            ended = await person.finish()
    first = turn.events[0]
    assert isinstance(first, pb.SpeechStarted)
    assert first.at.ToSeconds() >= 600
    assert turn.ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert word_error_rate(words_of(QUESTIONS[2]), turn.transcript) < 0.2
    assert ended.turns == 1
    assert ended.audio_in.ToSeconds() > 600


async def a_question_is_answered(house: House) -> None:
    """By the same processes, for the next person."""
    async with talking(house.gateway) as person:
        turn = await person.ask(recording(QUESTIONS[2]))
        assert turn.ended.outcome == pb.TURN_OUTCOME_ANSWERED
        assert word_error_rate(words_of(QUESTIONS[2]), turn.transcript) < 0.2
        await person.finish()
