"""What is spoken into an answer, and the recognizer fails or never comes to an end."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Failure,
    Interrupt,
    Outcome,
    Stage,
)
from tests.unit.conversation.asides import (
    LISTENING,
    aside,
    assert_untouched,
    ducks,
    paused,
    policy,
)
from tests.unit.conversation.driver import outcomes
from tests.unit.conversation.talker import Talker


def fail(talker: Talker) -> list[c.Command]:
    return talker.tell(
        e.StageFailed(talker.utterance(), Failure(Stage.STT, 14, "gone"))
    )


@pytest.mark.parametrize("interrupt", LISTENING)
def test_an_aside_that_nobody_can_understand_stops_nothing(
    interrupt: Interrupt,
) -> None:
    talker = paused(interrupt)
    fail(talker)
    assert_untouched(talker)


def test_an_aside_that_nobody_can_understand_is_dropped_at_its_pause() -> None:
    talker = aside()
    fail(talker)
    assert ducks(talker) == [True]
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    assert_untouched(talker)


def test_long_speech_stops_the_answer_though_nobody_can_understand_it() -> None:
    talker = aside()
    fail(talker)
    talker.hear(0.6)
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.6)
    assert outcomes(talker) == [Outcome.INTERRUPTED, Outcome.FAILED]


def test_after_a_recognizer_failed_the_next_aside_has_another() -> None:
    talker = paused()
    fail(talker)
    talker.speak(0.3)
    talker.hear(0.2)
    talker.understood("Stop.")
    assert outcomes(talker) == [Outcome.INTERRUPTED]


def test_voice_without_end_is_no_utterance_without_end() -> None:
    talker = Talker(policy(Interrupt.WORDS, longest_utterance=5.0))
    talker.answering("x" * 300, 30.0)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(20.0)
    assert outcomes(talker) == []
    assert talker.position - talker.core.needed_from < 6.0
