"""A long conversation: every question understood, every answer spoken, everything remembered."""

from typing import Any

import pytest

from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    TURN_OUTCOME_INTERRUPTED,
    ReplyAudio,
)
from tests.e2e.house import House
from tests.e2e.talking import talking, word_error_rate, words_of
from tests.fakes.upstream import Answer, says
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWERS = [
    "Hello Peter.", "So do I.", "Paris.", "Seven.", "Blue.", "Honey.", "In Paris.", "A cat.", "Fine.", "Peter.",
]  # fmt: skip


def _by_question(body: dict[str, Any]) -> Answer:
    """By how many questions there are: one that its user went on with is asked again."""
    asked = sum(message["role"] == "user" for message in body["messages"])
    return says(ANSWERS[asked - 1])


async def test_ten_questions_are_understood_answered_and_remembered(
    house: House,
) -> None:
    house.upstream.answer_to = _by_question
    async with talking(house.gateway) as person:
        turns = [await person.ask(recording(question)) for question in QUESTIONS]
        ended = await person.finish()

    understood = [turn.transcript for turn in turns]
    rate = word_error_rate([words_of(question) for question in QUESTIONS], understood)
    print(f"word error rate over ten questions: {rate:.1%} ({understood})")
    assert rate < 0.2, understood
    assert [turn.text for turn in turns] == ANSWERS
    assert [turn.ended.heard_text for turn in turns] == ANSWERS
    assert [turn.ended.outcome for turn in turns] == [TURN_OUTCOME_ANSWERED] * 10
    assert [turn.ended.turn for turn in turns] == list(range(1, 11))
    assert all(turn.audio for turn in turns)
    assert ended.turns == 10

    system, *said = house.upstream.exchanges[-1].body["messages"]
    assert system["role"] == "system"
    expected = [
        message
        for question, answer in zip(understood, ANSWERS, strict=True)
        for message in (("user", question), ("assistant", answer))
    ][:-1]
    assert [(message["role"], message["content"]) for message in said] == expected


async def test_an_answer_is_forgotten_from_where_the_user_spoke_into_it(
    house: House,
) -> None:
    story = "Once upon a time there was a very small cat. " * 6
    house.upstream.answers.extend([says(story), says("Paris.")])
    async with talking(house.gateway) as person:
        await person.conversation.send_text("Tell me a story.")
        await person.until(ReplyAudio)
        person.microphone.say(recording(QUESTIONS[2]))
        told = await person.turn()
        answered = await person.turn()
        await person.finish()

    assert told.ended.outcome == TURN_OUTCOME_INTERRUPTED
    heard = told.ended.heard_text
    assert heard and heard != story and story.startswith(heard)
    assert answered.ended.outcome == TURN_OUTCOME_ANSWERED
    assert word_error_rate(words_of(QUESTIONS[2]), answered.transcript) < 0.2
    _system, asked, remembered, _question = house.upstream.exchanges[-1].body[
        "messages"
    ]
    assert asked["content"] == "Tell me a story."
    assert (remembered["role"], remembered["content"]) == ("assistant", heard)
