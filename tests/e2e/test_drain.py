"""A process that is told to leave finishes what it has begun, and begins nothing more."""

import aiohttp
import pytest

from antiphon.v1.conversation_pb2 import (
    CONVERSATION_ENDING_DRAINING,
    TURN_OUTCOME_ANSWERED,
    ConversationEnded,
    ReplyAudio,
    SpeechStarted,
)
from services.runtime.errors import Unavailable
from tests.e2e.house import House
from tests.e2e.process import lone_process
from tests.e2e.talking import talking, word_error_rate, words_of
from tests.fakes.upstream import says
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "I could go on about this for quite a while. " * 2


async def person_comes(gateway: str) -> None:
    async with talking(gateway):
        pass


def stages_of(house: House, **instead: str) -> dict[str, str]:
    """Settings of another gateway before the same stages."""
    addresses = house.stack.addresses | instead
    names = ("stt", "llm", "tts")
    return {f"ANTIPHON_GATEWAY_{name.upper()}": addresses[name] for name in names}


async def test_a_gateway_told_to_leave_finishes_its_answers_and_takes_nobody_new(
    house: House,
) -> None:
    house.upstream.answers.append(says(LONG))
    async with (
        lone_process("gateway", stages_of(house)) as gateway,
        talking(gateway.address) as person,
    ):
        await person.conversation.send_text("What do you think?")
        await person.until(ReplyAudio)
        gateway.terminate()
        await gateway.logged("draining")
        for _ in range(5):
            with pytest.raises(Unavailable):
                await person_comes(gateway.address)
        turn = await person.turn()
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        assert turn.ended.heard_text == LONG
        ended = await person.until(ConversationEnded)
        # The stream ends with OK: anything else would be raised here.
        assert [event async for event in person.conversation] == []
        assert ended.turns == 1
        assert await gateway.ended() == 0


async def test_who_is_speaking_when_the_gateway_is_told_to_leave_is_answered(
    house: House,
) -> None:
    question = QUESTIONS[5]
    house.upstream.answers.append(says("They make honey."))
    async with (
        lone_process("gateway", stages_of(house)) as gateway,
        talking(gateway.address) as person,
    ):
        person.microphone.say(recording(question))
        await person.until(SpeechStarted)
        gateway.terminate()
        turn = await person.turn()
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        assert word_error_rate(words_of(question), turn.transcript) < 0.35
        ended = await person.until(ConversationEnded)
        assert ended.ending == CONVERSATION_ENDING_DRAINING
        assert await gateway.ended() == 0


async def test_who_is_still_listening_when_time_is_up_is_told_to_try_another(
    house: House,
) -> None:
    house.upstream.answers.append(says(LONG))
    impatient = {"ANTIPHON_GATEWAY_DRAIN_SECONDS": "0.1"}
    async with (
        lone_process("gateway", stages_of(house) | impatient) as gateway,
        talking(gateway.address) as person,
    ):
        await person.conversation.send_text("What do you think?")
        await person.until(ReplyAudio)
        gateway.terminate()
        with pytest.raises(Unavailable, match="try another"):
            await person.turn()
        assert await gateway.ended() == 0


async def test_a_voice_told_to_leave_finishes_what_it_says_and_is_missed_then(
    house: House,
) -> None:
    house.upstream.answers.append(says(LONG))
    async with (
        lone_process("tts") as voice,
        lone_process("gateway", stages_of(house, tts=voice.address)) as gateway,
        talking(gateway.address) as person,
    ):
        await person.conversation.send_text("What do you think?")
        await person.until(ReplyAudio)
        voice.terminate()
        turn = await person.turn()
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        assert turn.ended.heard_text == LONG
        assert await voice.ended() == 0

        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{gateway.http}/readyz") as ready,
        ):
            assert ready.status == 503
            assert (await ready.json())["stages"] == {
                "stt": "SERVING",
                "llm": "SERVING",
                "tts": "UNAVAILABLE",
            }
        assert (await person.write("And now?")).ended.error.stage == "tts"
        assert (await person.finish()).turns == 2
