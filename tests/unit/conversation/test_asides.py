"""What is spoken into an answer: when it stops the answer, and when it is nothing (`InterruptPolicy`)."""

from collections.abc import Callable

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Endpointing,
    Failure,
    Interrupt,
    Outcome,
    Policy,
    Speculated,
    Stage,
    State,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.driver import outcomes, prompt
from tests.unit.conversation.talker import Talker, kinds, predicting

LISTENING = [Interrupt.SPEECH, Interrupt.WORDS]
"""Policies that listen before they stop an answer."""


def policy(interrupt: Interrupt, **fields: object) -> Policy:
    return Policy(turns=TurnTaking(interrupt=interrupt), **fields)  # type: ignore[arg-type]


def answering(interrupt: Interrupt = Interrupt.SPEECH) -> Talker:
    """Five seconds of answer, a second of which has been heard."""
    talker = Talker(policy(interrupt))
    talker.answering()
    return talker


def aside(interrupt: Interrupt = Interrupt.SPEECH, seconds: float = 0.3) -> Talker:
    """Somebody speaks into the answer, and it is not clear yet what that means."""
    talker = answering(interrupt)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(seconds)
    assert ducks(talker) == [True]
    return talker


def paused(interrupt: Interrupt = Interrupt.SPEECH) -> Talker:
    """They have stopped, and the recognizer was asked what they said."""
    talker = aside(interrupt)
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    return talker


def ducks(talker: Talker) -> list[bool]:
    return [command.ducked for command in talker.all(c.TellDucked)]


def partial(talker: Talker, text: str) -> list[c.Command]:
    return talker.tell(e.PartialHeard(talker.utterance(), text, 0))


def assert_untouched(talker: Talker) -> None:
    """The answer goes on as loud as before, and nothing was said as far as anybody can tell."""
    assert ducks(talker) == [True, False]
    assert talker.all(c.CancelTranscribe) == [c.CancelTranscribe(talker.utterance())]
    assert len(talker.all(c.TellSpeechStarted)) == 1
    talker.hear(6.0)
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert talker.core.turn == 1
    assert talker.core.state is State.LISTENING


def assert_interrupted(talker: Talker, done: list[c.Command]) -> None:
    """The answer is stopped at its stages and at the client's, and it is the user's turn."""
    wanted = [c.TellInterrupted, c.TellTurnEnded, c.CancelReply, c.TellSpeechStarted]
    assert [kind for kind in kinds(done) if kind in wanted] == wanted
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert talker.all(c.CancelTranscribe) == []
    assert talker.core.state in (State.INTERRUPTED, State.POISED)


# --- speech: a minimum of voice, or anything that says something ------------------------------------------


@pytest.mark.parametrize("interrupt", LISTENING)
def test_voice_ducks_the_answer_and_is_listened_to(interrupt: Interrupt) -> None:
    talker = aside(interrupt)
    opened = talker.all(c.Transcribe)[-1]
    assert opened.partials
    assert opened.start == pytest.approx(
        talker.position - 0.3 - talker.policy.preroll, abs=0.04
    )
    assert talker.core.state is State.ANSWERING
    assert len(talker.all(c.TellSpeechStarted)) == 1


@pytest.mark.parametrize("interrupt", LISTENING)
def test_a_click_is_not_even_listened_to(interrupt: Interrupt) -> None:
    talker = answering(interrupt)
    talker.speak(0.064)
    talker.hear(0.5)
    assert ducks(talker) == []
    assert len(talker.all(c.Transcribe)) == 1


@pytest.mark.parametrize("interrupt", LISTENING)
@pytest.mark.parametrize("said", ["Mm-hmm.", "Yeah, right.", "I see.", "", "  "])
def test_backchannels_and_noise_stop_nothing(interrupt: Interrupt, said: str) -> None:
    talker = paused(interrupt)
    talker.understood(said)
    assert_untouched(talker)


@pytest.mark.parametrize("interrupt", LISTENING)
def test_words_stop_the_answer_as_soon_as_they_are_guessed(
    interrupt: Interrupt,
) -> None:
    talker = aside(interrupt)
    assert partial(talker, "Yeah") == []
    assert_interrupted(talker, partial(talker, "Yeah but"))
    assert talker.core.state is State.INTERRUPTED


@pytest.mark.parametrize("interrupt", LISTENING)
def test_words_stop_the_answer_once_they_are_understood(interrupt: Interrupt) -> None:
    talker = paused(interrupt)
    done = talker.understood("Stop.")
    assert_interrupted(talker, done)
    assert talker.core.state is State.POISED
    # What it was poised with becomes a turn like any other.
    assert prompt(talker)[-1] == ("user", "Stop.")
    talker.hear(0.3)
    assert talker.speculated() == [Speculated.USED]


def test_what_was_spoken_aside_is_told_like_other_speech() -> None:
    talker = paused()
    done = talker.understood("Stop.")
    told = [
        command
        for command in done
        if isinstance(command, c.TellSpeechStarted | c.TellSpeechStopped)
    ]
    assert kinds(told) == [c.TellSpeechStarted, c.TellSpeechStopped]
    assert told[1].at - told[0].at == pytest.approx(0.3, abs=0.04)


def test_long_speech_stops_the_answer_whatever_is_said() -> None:
    talker = aside(seconds=0.6)
    assert outcomes(talker) == []
    done = talker.hear(0.2)
    assert_interrupted(talker, done)


def test_speech_that_pauses_in_between_is_not_long() -> None:
    talker = aside()
    for _ in range(4):
        talker.tell(e.SpeechPaused(talker.position))
        talker.hear(0.1)
        talker.tell(e.SpeechBegan(talker.position))
        talker.hear(0.3)
    assert outcomes(talker) == []


# --- words: only what was understood ----------------------------------------------------------------------


def test_by_words_no_voice_is_long_enough() -> None:
    talker = aside(Interrupt.WORDS, seconds=3.0)
    assert outcomes(talker) == []
    assert_interrupted(talker, partial(talker, "Wait a moment"))


# --- never ------------------------------------------------------------------------------------------------


def test_by_never_nothing_is_listened_to_until_the_answer_is_over() -> None:
    talker = answering(Interrupt.NEVER)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(3.5)
    assert len(talker.all(c.Transcribe)) == 1
    talker.hear(1.5)
    assert outcomes(talker) == [Outcome.ANSWERED]
    # What is said from then on is heard, and nothing of what was said before.
    opened = talker.all(c.Transcribe)[-1]
    ended_at = talker.position - 1.0
    assert opened.start == pytest.approx(ended_at - talker.policy.preroll, abs=0.1)


# --- always -----------------------------------------------------------------------------------------------


def test_by_always_any_voice_stops_the_answer_at_once() -> None:
    talker = answering(Interrupt.ALWAYS)
    talker.tell(e.SpeechBegan(talker.position))
    done = talker.hear(0.032)
    assert_interrupted(talker, done)
    assert ducks(talker) == []


# --- before the first sound of an answer ------------------------------------------------------------------


@pytest.mark.parametrize("interrupt", [*LISTENING, Interrupt.ALWAYS])
def test_before_the_first_sound_there_is_nothing_to_duck(interrupt: Interrupt) -> None:
    talker = Talker(policy(interrupt))
    ref = talker.ask("What is the weather")
    talker.tell(e.TextWritten(ref, "Sunny."))
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(0.2)
    assert ducks(talker) == []
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    talker.hear(0.8)
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    talker.understood("in Paris?")
    assert prompt(talker) == [("user", "What is the weather in Paris?")]


@pytest.mark.parametrize("interrupt", [*LISTENING, Interrupt.ALWAYS])
@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_noise_before_the_first_sound_costs_nobody_their_answer(
    interrupt: Interrupt, checkpoint: bool
) -> None:
    talker = Talker(policy(interrupt))
    talker.ask("What is the weather?")
    talker.speak(0.3)
    talker.hear(0.2)
    if checkpoint:
        talker.understood("")
    talker.hear(0.3)
    if not checkpoint:
        talker.tell(e.FinalHeard(talker.utterance(), Transcript("")))
    assert outcomes(talker) == [Outcome.INTERRUPTED, Outcome.EMPTY]
    assert prompt(talker) == [("user", "What is the weather?")]
    talker.answer(talker.draft(), "Sunny.", 0.5)
    talker.wait(1.0)
    assert outcomes(talker)[2:] == [Outcome.ANSWERED]
    # Once: the next noise is nothing.
    talker.speak(0.3)
    talker.hear(0.5)
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("")))
    assert outcomes(talker)[3:] == [Outcome.EMPTY]
    assert len(talker.all(c.Generate)) == 2


def test_a_noise_into_an_answer_that_was_heard_brings_no_other_one() -> None:
    talker = answering(Interrupt.ALWAYS)
    talker.speak(0.3)
    talker.hear(0.5)
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("")))
    assert outcomes(talker) == [Outcome.INTERRUPTED, Outcome.EMPTY]
    assert len(talker.all(c.Generate)) == 1


# --- an aside that goes on --------------------------------------------------------------------------------


def test_an_aside_that_goes_on_is_understood_as_a_whole() -> None:
    talker = paused()
    asked = talker.all(c.TakeCheckpoint)[-1]
    done = talker.tell(e.SpeechBegan(talker.position))
    assert done == [c.ResumeTranscribe(talker.utterance())]
    # The checkpoint of the pause that is over says nothing about what is being said.
    assert talker.tell(e.CheckpointHeard(asked.ref, asked.id, Transcript("Yeah"))) == []
    talker.hear(0.3)
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    assert_interrupted(talker, talker.understood("Yeah, but why?"))


def test_a_second_aside_is_listened_to_like_the_first() -> None:
    talker = paused()
    talker.understood("Mm-hmm.")
    talker.speak(0.3)
    talker.hear(0.2)
    assert ducks(talker) == [True, False, True]
    talker.understood("Stop.")
    assert outcomes(talker) == [Outcome.INTERRUPTED]


# --- what happens meanwhile -------------------------------------------------------------------------------


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


# --- a policy that changes --------------------------------------------------------------------------------


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


# --- a recognizer that fails ------------------------------------------------------------------------------


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


# --- what belongs to asides alone -------------------------------------------------------------------------


def test_an_aside_is_neither_read_ahead_nor_answered_ahead() -> None:
    talker = Talker(policy(Interrupt.SPEECH, prefill=True, partials=True))
    talker.answering()
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(0.3)
    before = len(talker.all(c.Prepare))
    said = "mm hmm right yeah okay"
    talker.tell(e.PartialHeard(talker.utterance(), "mm hmm right", len(said)))
    assert len(talker.all(c.Prepare)) == before
    assert talker.all(c.TellPartial) == []
    assert len(talker.all(c.Generate)) == 1


def test_an_aside_is_no_turn_however_long_its_pause() -> None:
    talker = Talker(predicting(max_wait=1.0))
    talker.answering()
    talker.speak(0.3)
    talker.hear(3.0)
    talker.sounds(1.0)
    assert outcomes(talker) == []
    assert talker.core.turn == 1
    talker.understood("Stop.")
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert talker.core.turn == 2


def test_push_to_talk_listens_aside_as_well() -> None:
    turns = TurnTaking(endpointing=Endpointing.MANUAL)
    talker = Talker(Policy(turns=turns))
    talker.answering()
    talker.speak(0.3)
    talker.hear(0.2)
    talker.understood("Stop.")
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    talker.hear(5.0)
    assert talker.core.turn == 1
    talker.tell(e.Committed())
    assert talker.core.turn == 2


def test_the_history_keeps_what_was_heard_up_to_the_words_that_stopped_it() -> None:
    talker = paused()
    talker.understood("Stop.")
    (cut,) = talker.all(c.TellInterrupted)
    (ended,) = talker.all(c.TellTurnEnded)
    assert cut.at == pytest.approx(1.5, abs=0.1)
    assert len(ended.heard_text) == int(cut.at * 10 + 1e-6)
    assert ended.usage == Usage()
