"""A stage is killed in the middle of a turn: the turn fails at once and says why, the conversation goes on."""

import grpc
import pytest

from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    TURN_OUTCOME_FAILED,
    ReplyAudio,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from tests.e2e.house import House, restarted
from tests.e2e.talking import Turn, talking, word_error_rate, words_of
from tests.fakes.upstream import Answer, Step, chunk, says
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = says("I could go on about this for a very long time, you know. " * 8)
STUCK = Answer([chunk(role="assistant", content="Well, let me think. "), Step.WAIT])


async def test_speech_to_text_dies_while_the_user_speaks(house: House) -> None:
    question = QUESTIONS[1]
    async with talking(house.gateway) as person:
        person.microphone.say(recording(question))
        await person.until(SpeechStarted)
        house.stack.process("stt").kill()
        assert_failed(await person.turn(), "stt")
        await restarted(house.stack, "stt")
        turn = await person.ask(recording(question))
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        assert word_error_rate(words_of(question), turn.transcript) < 0.2
        assert (await person.finish()).turns == 2


async def test_speech_to_text_dies_while_its_transcript_is_awaited(
    house: House,
) -> None:
    async with talking(house.gateway, microphone=False) as person:
        spoken = recording(QUESTIONS[1], end=1.0).samples
        await person.conversation.send_audio(spoken)
        await person.until(SpeechStarted)
        hearing = house.stack.process("stt")
        hearing.suspend()
        await person.conversation.commit()
        await person.until(SpeechStopped)
        hearing.kill()
        assert_failed(await person.turn(), "stt")
        await restarted(house.stack, "stt")
        async with person.microphone:
            turn = await person.ask(recording(QUESTIONS[1]))
            assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
            assert (await person.finish()).turns == 2


async def test_the_language_model_dies_while_it_writes(house: House) -> None:
    house.upstream.answers.append(STUCK)
    async with talking(house.gateway) as person:
        await person.conversation.send_text("What do you think?")
        await person.until(ReplyText)
        house.stack.process("llm").kill()
        assert_failed(await person.turn(), "llm")
        await restarted(house.stack, "llm")
        turn = await person.write("And now?")
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        assert (await person.finish()).turns == 2


async def test_text_to_speech_dies_while_it_speaks(house: House) -> None:
    house.upstream.answers.append(LONG)
    async with talking(house.gateway) as person:
        await person.conversation.send_text("What do you think?")
        await person.until(ReplyAudio)
        house.stack.process("tts").kill()
        assert_failed(await person.turn(), "tts")
        await restarted(house.stack, "tts")
        turn = await person.write("And now?")
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        assert turn.audio
        assert (await person.finish()).turns == 2


def assert_failed(turn: Turn, stage: str) -> None:
    assert turn.ended.outcome == TURN_OUTCOME_FAILED
    error = turn.ended.error
    assert error.stage == stage
    assert error.code == grpc.StatusCode.UNAVAILABLE.value[0], error.message
