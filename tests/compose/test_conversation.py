"""A recorded question is answered through the published ports."""

import aiohttp
import pytest

from antiphon.client import connect
from tests.compose.asking import ask, assert_heard_out
from tests.compose.project import Project
from tests.e2e.realtime import calling
from tests.e2e.talking import talking, word_error_rate, words_of
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAPITAL, BEES = QUESTIONS[2], QUESTIONS[5]
MOST_WRONG_WORDS = 0.2
SECOND = 2 * 24_000
"""Bytes of audio, as the Realtime API has it."""


async def test_a_spoken_question_is_answered_by_grpc(pipeline: Project) -> None:
    async with talking(pipeline.gateway) as person:
        turn = await ask(person, recording(CAPITAL))
        ended = await person.finish()
    assert word_error_rate(words_of(CAPITAL), turn.transcript) <= MOST_WRONG_WORDS
    assert turn.text
    assert len(turn.audio) > SECOND // 2
    assert turn.ended.HasField("waterfall")
    assert ended.turns == 1


async def test_a_spoken_question_is_answered_by_the_realtime_api(
    pipeline: Project,
) -> None:
    session = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    async with calling(pipeline.http, session, model="default") as caller:
        caller.say(recording(BEES))
        done = await caller.until("response.done")
    assert_heard_out(done.response)
    (said,) = caller.of("conversation.item.input_audio_transcription.completed")
    assert word_error_rate(words_of(BEES), said.transcript) <= MOST_WRONG_WORDS
    assert len(caller.audio()) > SECOND // 2


async def test_the_gateway_knows_what_stands_behind_it(pipeline: Project) -> None:
    async with connect(pipeline.gateway) as client:
        about = await client.describe()
    engines = {about.stt.engine.engine, about.tts.engine.engine}
    assert engines == {"whisper", "piper"}


async def test_the_page_is_there(pipeline: Project) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(pipeline.http) as page:
            assert page.status == 200
            assert page.content_type == "text/html"
        async with http.get(f"{pipeline.http}/readyz") as ready:
            assert ready.status == 200
