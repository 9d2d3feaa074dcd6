"""What is spoken into an answer: when it stops the answer, and when it is nothing (`InterruptPolicy`)."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Endpointing,
    Interrupt,
    Outcome,
    Policy,
    Speculated,
    State,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.asides import (
    LISTENING,
    answering,
    aside,
    assert_interrupted,
    assert_untouched,
    ducks,
    partial,
    paused,
    policy,
)
from tests.unit.conversation.driver import outcomes, prompt
from tests.unit.conversation.talker import Talker, kinds, predicting

# --- speech: a minimum of voice, or anything that says something ----------------------------------------------


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


# --- words: only what was understood --------------------------------------------------------------------------


def test_by_words_no_voice_is_long_enough() -> None:
    talker = aside(Interrupt.WORDS, seconds=3.0)
    assert outcomes(talker) == []
    assert_interrupted(talker, partial(talker, "Wait a moment"))


# --- never ----------------------------------------------------------------------------------------------------


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


# --- always ---------------------------------------------------------------------------------------------------


def test_by_always_any_voice_stops_the_answer_at_once() -> None:
    talker = answering(Interrupt.ALWAYS)
    talker.tell(e.SpeechBegan(talker.position))
    done = talker.hear(0.032)
    assert_interrupted(talker, done)
    assert ducks(talker) == []


# --- before the first sound of an answer ----------------------------------------------------------------------


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


# --- an aside that goes on ------------------------------------------------------------------------------------


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


# --- what belongs to asides alone -----------------------------------------------------------------------------


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
