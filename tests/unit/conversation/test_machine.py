"""The life of a turn, rule by rule."""

from dataclasses import replace

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Endpointing,
    Failure,
    Interrupt,
    Outcome,
    Policy,
    Stage,
    State,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt


def policy(**turns: object) -> Policy:
    return Policy(turns=TurnTaking(**turns))


def test_a_conversation_begins_by_preparing_its_instructions() -> None:
    (prepare,) = Driver().all(c.Prepare)
    assert [message.text for message in prepare.messages] == ["Be kind."]


def test_speech_opens_an_utterance_with_preroll() -> None:
    driver = Driver()
    driver.hear(2.0)
    driver.speak(0.5)
    (opened,) = driver.all(c.Transcribe)
    assert opened.start == pytest.approx(2.0 - driver.policy.preroll, abs=0.04)
    assert driver.core.state is State.HEARING


def test_a_pause_takes_one_checkpoint_and_silence_ends_the_turn() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.25)
    assert driver.core.state is State.POISED
    assert [command.id for command in driver.all(c.TakeCheckpoint)] == [1]
    assert driver.core.turn == 0
    driver.hear(0.25)
    assert driver.core.state is State.ANSWERING
    assert driver.core.turn == 1
    assert len(driver.all(c.FinishTranscribe)) == 1


def test_going_on_after_a_pause_continues_the_same_utterance() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.25)
    driver.speak(1.0)
    driver.hear(0.25)
    assert len(driver.all(c.Transcribe)) == 1
    assert len(driver.all(c.ResumeTranscribe)) == 1
    assert [command.id for command in driver.all(c.TakeCheckpoint)] == [1, 2]
    assert driver.core.turn == 0


def test_an_answer_is_spoken_and_kept() -> None:
    driver = Driver()
    driver.answer(driver.ask("Why?"), "Because.", 1.0)
    driver.wait(2.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    assert b"".join(audio.samples for audio in driver.all(c.TellAudio)) == b"Because."
    driver.ask("Really?")
    assert prompt(driver) == [
        ("user", "Why?"),
        ("assistant", "Because."),
        ("user", "Really?"),
    ]


def test_audio_leaves_only_a_little_ahead_of_real_time() -> None:
    driver = Driver()
    ref = driver.ask()
    driver.answer(ref, "x" * 50, 5.0)
    sent = sum(audio.seconds for audio in driver.all(c.TellAudio))
    assert sent <= driver.policy.lead + 0.11
    driver.wait(1.0)
    sent = sum(audio.seconds for audio in driver.all(c.TellAudio))
    assert 1.0 <= sent <= 1.0 + driver.policy.lead + 0.11


def test_the_turn_ends_when_its_last_sound_was_heard() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "Because.", 1.0)
    driver.wait(0.9)
    assert outcomes(driver) == []
    driver.wait(0.2)
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_the_waterfall_names_every_share() -> None:
    driver = Driver()
    driver.speak(1.0)
    ended_at = driver.now
    driver.hear(0.42)
    ref = driver.ref()
    driver.wait(0.3)
    driver.tell(e.FinalHeard(ref, Transcript("Why?")))
    ref = driver.ref()
    driver.wait(0.5)
    driver.tell(e.TextWritten(ref, "Because."))
    driver.tell(e.ClauseTaken(ref, 3))
    driver.wait(0.1)
    driver.tell(e.AudioSpoken(ref, 0.0, 0.5, b"x"))
    total = driver.now - ended_at
    driver.tell(e.ReplyWritten(ref, Usage()))
    driver.tell(e.ReplySpoken(ref))
    driver.wait(1.0)
    waterfall = driver.all(c.TellTurnEnded)[0].waterfall
    assert waterfall is not None
    assert waterfall.total == pytest.approx(total)
    assert waterfall.endpointing == pytest.approx(0.4, abs=0.04)
    assert waterfall.stt == pytest.approx(0.3, abs=0.04)
    assert waterfall.llm == pytest.approx(0.5)
    assert waterfall.tts == pytest.approx(0.1)
    assert waterfall.gateway == pytest.approx(0.0)


def test_speech_into_an_answer_cuts_it_where_it_was_heard() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "abcdefghij" * 5, 5.0)
    driver.hear(1.0)
    driver.speak(1.0)
    (cut,) = driver.all(c.TellInterrupted)
    (ended,) = driver.all(c.TellTurnEnded)
    assert ended.outcome is Outcome.INTERRUPTED
    assert cut.at == pytest.approx(1.0 + driver.policy.interrupt_after, abs=0.1)
    assert ended.heard_text == ("abcdefghij" * 5)[: int(cut.at * 10 + 1e-6)]
    assert driver.core.state is State.INTERRUPTED
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Stop.")))
    assert prompt(driver) == [
        ("user", "Why?"),
        ("assistant", ended.heard_text),
        ("user", "Stop."),
    ]


def test_a_cough_does_not_interrupt() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 50, 5.0)
    driver.hear(1.0)
    driver.speak(0.1)
    driver.hear(1.0)
    assert driver.all(c.TellInterrupted) == []
    assert driver.core.state is State.ANSWERING


def test_an_answer_that_may_not_be_interrupted_is_spoken_to_its_end() -> None:
    driver = Driver(policy(interrupt=Interrupt.NEVER))
    driver.answer(driver.ask(), "x" * 10, 1.0)
    driver.speak(1.5)
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_going_on_before_the_transcript_came_continues_the_sentence() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.5)
    first = driver.all(c.Transcribe)[0]
    driver.speak(1.0)
    second = driver.all(c.Transcribe)[1]
    assert second.start == first.start
    assert c.CancelTranscribe(first.ref) in driver.done
    assert outcomes(driver) == [Outcome.INTERRUPTED]


def test_going_on_before_the_answer_is_heard_joins_what_was_said() -> None:
    driver = Driver()
    driver.ask("What is the weather")
    driver.speak(1.0)
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("in Paris?")))
    assert prompt(driver) == [("user", "What is the weather in Paris?")]


def test_nothing_understood_ends_the_turn_empty() -> None:
    driver = Driver()
    driver.ask("  ")
    assert outcomes(driver) == [Outcome.EMPTY]
    assert driver.all(c.Generate) == []


def test_an_answer_with_nothing_to_say_ends_empty_and_is_kept() -> None:
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "🙂"))
    driver.tell(e.ReplyWritten(ref, Usage()))
    driver.tell(e.ReplySpoken(ref))
    assert outcomes(driver) == [Outcome.EMPTY]
    driver.ask("And?")
    assert prompt(driver)[1] == ("assistant", "🙂")


@pytest.mark.parametrize("stage", [Stage.STT, Stage.LLM, Stage.TTS])
def test_a_stage_that_fails_fails_its_turn_only(stage: Stage) -> None:
    driver = Driver()
    if stage is Stage.STT:
        driver.speak(1.0)
        driver.hear(0.6)
        ref = driver.ref()
    else:
        ref = driver.ask()
    failure = Failure(stage, 14, "gone")
    driver.tell(e.StageFailed(ref, failure))
    (ended,) = driver.all(c.TellTurnEnded)
    assert (ended.outcome, ended.failure) == (Outcome.FAILED, failure)
    driver.answer(driver.ask("Again?"), "Yes.", 0.5)
    driver.wait(1.0)
    assert outcomes(driver) == [Outcome.FAILED, Outcome.ANSWERED]


def test_a_recognizer_that_fails_while_the_user_speaks_fails_the_turn_at_its_end() -> (
    None
):
    driver = Driver()
    driver.tell(e.SpeechBegan(0.0))
    driver.hear(0.5)
    driver.tell(e.StageFailed(driver.ref(), Failure(Stage.STT, 14, "gone")))
    assert outcomes(driver) == []
    driver.tell(e.SpeechPaused(driver.position))
    driver.hear(0.6)
    assert outcomes(driver) == [Outcome.FAILED]


@pytest.mark.parametrize("stage", [Stage.STT, Stage.LLM, Stage.TTS])
def test_a_stage_that_hangs_fails_the_turn_by_its_name(stage: Stage) -> None:
    driver = Driver()
    if stage is Stage.STT:
        driver.speak(1.0)
        driver.hear(0.6)
    else:
        ref = driver.ask()
        if stage is Stage.TTS:
            driver.tell(e.TextWritten(ref, "So."))
            driver.tell(e.ClauseTaken(ref, 3))
    driver.wait(60.0)
    (ended,) = driver.all(c.TellTurnEnded)
    assert ended.failure is not None
    assert (ended.failure.stage, ended.failure.code) == (stage, 4)


def test_a_long_answer_is_no_hang() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 600, 60.0)
    driver.wait(61.0)
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_only_the_client_ends_the_turn_in_push_to_talk() -> None:
    driver = Driver(policy(endpointing=Endpointing.MANUAL))
    driver.speak(1.0)
    driver.hear(5.0)
    assert driver.core.turn == 0
    driver.tell(e.Committed())
    assert driver.core.turn == 1


def test_a_commit_without_speech_does_nothing() -> None:
    driver = Driver()
    driver.hear(1.0)
    assert driver.tell(e.Committed()) == []


def test_cleared_speech_is_forgotten() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.tell(e.Cleared())
    driver.hear(2.0)
    assert driver.core.turn == 0
    assert driver.core.state is State.LISTENING
    assert len(driver.all(c.CancelTranscribe)) == 1


def test_an_endless_utterance_ends_at_its_longest() -> None:
    driver = Driver(replace(Policy(), longest_utterance=10.0))
    driver.tell(e.SpeechBegan(0.0))
    driver.hear(11.0)
    assert driver.core.turn == 1


def test_the_end_of_input_finishes_the_turn_and_closes() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.tell(e.InputEnded())
    ref = driver.ref()
    driver.tell(e.FinalHeard(ref, Transcript("Bye.")))
    driver.answer(driver.ref(), "Bye.", 0.5)
    assert driver.all(c.Close) == []
    driver.wait(1.0)
    assert driver.all(c.Close) == [c.Close(turns=1)]


def test_speech_that_goes_on_after_a_commit_is_somebodys_next_words() -> None:
    driver = Driver(policy(endpointing=Endpointing.MANUAL))
    driver.tell(e.SpeechBegan(0.0))
    driver.hear(1.0)
    driver.tell(e.Committed())
    driver.tell(e.FinalHeard(driver.ref(), Transcript("First.")))
    driver.hear(1.0)
    driver.tell(e.SpeechPaused(driver.position))
    assert driver.core.state is State.INTERRUPTED
    assert driver.all(c.Transcribe)[1].start == pytest.approx(0.7, abs=0.04)


def test_an_endless_speech_does_not_begin_again_where_it_began() -> None:
    driver = Driver(replace(Policy(), longest_utterance=3.0))
    driver.tell(e.SpeechBegan(0.0))
    driver.hear(5.0)
    starts = [command.start for command in driver.all(c.Transcribe)]
    assert starts == sorted(set(starts))
    assert len(starts) <= 3


def test_a_voice_that_hangs_in_a_clause_is_blamed_for_it_whatever_the_model_writes() -> (
    None
):
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "One, two, "))
    driver.tell(e.ClauseTaken(ref, 10))
    driver.tell(e.MarkSpoken(ref, 4, 0.1))
    driver.tell(e.AudioSpoken(ref, 0.0, 0.1, b"x"))
    for _ in range(10):
        driver.tell(e.TextWritten(ref, "more "))
        driver.wait(5.0)
    (ended,) = driver.all(c.TellTurnEnded)
    assert ended.failure is not None
    assert ended.failure.stage is Stage.TTS


def test_a_client_is_told_to_stop_playing_an_answer_that_failed() -> None:
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "One."))
    driver.tell(e.StageFailed(ref, Failure(Stage.TTS, 14, "gone")))
    kinds = [type(command) for command in driver.done[-3:]]
    assert kinds == [c.TellInterrupted, c.TellTurnEnded, c.CancelReply]


def test_going_on_is_told_as_speech_again() -> None:
    driver = Driver()
    for _ in range(2):
        driver.speak(1.0)
        driver.hear(0.25)
    told = [
        type(n)
        for n in driver.done
        if isinstance(n, c.TellSpeechStarted | c.TellSpeechStopped)
    ]
    assert told == [c.TellSpeechStarted, c.TellSpeechStopped] * 2


def test_an_empty_delta_opens_no_voice() -> None:
    driver = Driver()
    ref = driver.ask()
    assert driver.tell(e.TextWritten(ref, "")) == []
