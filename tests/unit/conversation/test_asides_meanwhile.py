"""What else happens while somebody speaks into an answer."""

from collections.abc import Callable

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Failure,
    Interrupt,
    Outcome,
    Stage,
    State,
    Transcript,
    TurnTaking,
)
from tests.unit.conversation.asides import (
    aside,
    assert_interrupted,
    assert_untouched,
    ducks,
    partial,
    paused,
)
from tests.unit.conversation.driver import outcomes, prompt
from tests.unit.conversation.talker import Talker, kinds

# --- what happens meanwhile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["Yes.", "Tell me more."])
@pytest.mark.parametrize("audio_between", [True, False])
@pytest.mark.parametrize("length", [13, 17])
def test_what_is_spoken_aside_as_the_answer_ends_is_the_users_turn(
    said: str, audio_between: bool, length: int
) -> None:
    """The answer ends before, or after, the pause is long enough for a checkpoint; a clock alone notices."""
    talker = Talker()
    talker.answering("x" * length, length / 10)
    talker.speak(0.2)
    talker.hear(0.1 if length == 13 else 0.3)
    talker.wait(1.0)
    assert outcomes(talker) == [Outcome.ANSWERED]
    if length == 13:
        talker.hear(0.1)
    elif audio_between:
        talker.hear(0.032)
    talker.understood(said)
    talker.hear(0.5)
    assert prompt(talker)[-1] == ("user", said)
    assert talker.core.turn == 2
    assert len(talker.all(c.TellSpeechStarted)) == 2


def test_a_client_that_cancels_the_answer_gives_the_user_the_floor() -> None:
    talker = aside()
    done = talker.tell(e.ReplyCancelled())
    assert outcomes(talker) == [Outcome.CANCELLED]
    assert c.TellSpeechStarted in kinds(done)
    assert talker.all(c.CancelTranscribe) == []


def test_a_client_that_truncates_the_answer_gives_the_user_the_floor() -> None:
    talker = aside()
    done = talker.tell(e.ReplyTruncated(1, 0.55))
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert c.TellSpeechStarted in kinds(done)
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    talker.understood("Mm-hmm.")
    assert prompt(talker) == [
        ("user", "Why?"),
        ("assistant", "xxxxx"),
        ("user", "Mm-hmm."),
    ]


@pytest.mark.parametrize("made", [aside, paused])
def test_a_commit_takes_an_aside_for_a_turn(made: Callable[[], Talker]) -> None:
    talker = made()
    talker.tell(e.Committed())
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert talker.core.turn == 2
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("Right.")))
    assert prompt(talker)[-1] == ("user", "Right.")


@pytest.mark.parametrize("made", [aside, paused])
def test_a_cleared_aside_was_nothing(made: Callable[[], Talker]) -> None:
    talker = made()
    talker.tell(e.Cleared())
    talker.tell(e.SpeechPaused(talker.position))
    assert_untouched(talker)


def test_voice_that_goes_on_after_a_clear_is_listened_to_anew() -> None:
    talker = aside()
    talker.tell(e.Cleared())
    cleared_at = talker.position
    talker.hear(0.4)
    assert ducks(talker) == [True, False, True]
    opened = talker.all(c.Transcribe)[-1]
    assert opened.start == pytest.approx(cleared_at - talker.policy.preroll)


@pytest.mark.parametrize("made", [aside, paused])
def test_the_end_of_the_input_leaves_the_answer_to_be_heard(
    made: Callable[[], Talker],
) -> None:
    talker = made()
    talker.tell(e.InputEnded())
    assert ducks(talker) == [True, False]
    talker.wait(10.0)
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert talker.all(c.Close) == [c.Close(1)]


@pytest.mark.parametrize("made", [aside, paused])
def test_a_text_to_be_answered_stops_the_answer_and_the_listening(
    made: Callable[[], Talker],
) -> None:
    talker = made()
    talker.tell(e.TextSaid("Written.", respond=True))
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert len(talker.all(c.CancelTranscribe)) == 1
    assert prompt(talker)[-1] == ("user", "Written.")


def test_an_answer_that_fails_gives_the_user_the_floor() -> None:
    talker = aside()
    talker.tell(e.StageFailed(talker.draft(), Failure(Stage.TTS, 14, "gone")))
    assert outcomes(talker) == [Outcome.FAILED]
    assert talker.core.state is State.HEARING
    assert len(talker.all(c.TellSpeechStarted)) == 2


def test_a_tool_result_during_an_aside_changes_nothing_about_it() -> None:
    talker = aside()
    talker.tell(e.TextSaid("By the way.", respond=False))
    assert talker.core.state is State.ANSWERING
    assert ducks(talker) == [True]


# --- a policy that changes ------------------------------------------------------------------------------------


def change(talker: Talker, interrupt: Interrupt) -> list[c.Command]:
    return talker.tell(e.TurnTakingChanged(TurnTaking(interrupt=interrupt)))


def test_by_never_from_now_on_an_aside_is_dropped() -> None:
    talker = aside()
    change(talker, Interrupt.NEVER)
    talker.hear(0.5)
    talker.tell(e.SpeechPaused(talker.position))
    assert_untouched(talker)


def test_by_always_from_now_on_an_aside_interrupts() -> None:
    talker = aside(Interrupt.WORDS)
    assert_interrupted(talker, change(talker, Interrupt.ALWAYS))


def test_by_speech_from_now_on_an_aside_has_been_long_enough() -> None:
    talker = aside(Interrupt.WORDS, seconds=1.0)
    assert_interrupted(talker, change(talker, Interrupt.SPEECH))


def test_by_words_from_now_on_an_aside_is_never_long_enough() -> None:
    talker = aside()
    change(talker, Interrupt.WORDS)
    talker.hear(2.0)
    assert outcomes(talker) == []


def test_who_has_the_floor_keeps_it_whatever_is_chosen() -> None:
    talker = aside()
    partial(talker, "Wait a moment")
    change(talker, Interrupt.NEVER)
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.6)
    assert talker.core.turn == 2
