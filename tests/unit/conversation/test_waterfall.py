"""Where the time of a turn went."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.endpointing import Patience, likelihood
from gateway.conversation.values import Endpointing, Policy, Transcript, TurnTaking
from gateway.conversation.waterfall import Stopwatch, Waterfall
from tests.unit.conversation.talker import PAUSE, Talker, predicting


@pytest.mark.parametrize("audio_after", [0.1, 0.5])
def test_the_waterfall_says_what_speculation_saved(audio_after: float) -> None:
    talker = Talker()
    talker.speak(1.0)
    ended_at = talker.now
    while not talker.all(c.TakeCheckpoint):
        talker.hear(0.032)
    asked_at = talker.now
    talker.wait(0.01)
    talker.understood("Why?")
    draft = talker.draft()
    talker.wait(0.02)
    talker.tell(e.ClauseTaken(draft, 8))
    if audio_after < 0.2:
        talker.wait(audio_after)
        audio_at = talker.now
        talker.write(draft, "Because.")
        talker.sound(draft)
        talker.hear(0.25)
    else:
        talker.hear(0.25)
        talker.wait(audio_after)
        audio_at = talker.now
        talker.write(draft, "Because.")
        talker.sound(draft)
    talker.finish()
    (ended,) = talker.all(c.TellTurnEnded)
    fall = ended.waterfall
    assert fall is not None
    shares = (fall.endpointing, fall.stt, fall.llm, fall.tts, fall.gateway)
    assert sum(shares) - fall.saved == pytest.approx(fall.total)
    due_at = ended_at + fall.endpointing
    assert fall.saved == pytest.approx(min(due_at, audio_at) - asked_at)
    assert fall.total == pytest.approx(max(due_at, audio_at) - ended_at)
    assert fall.stt == pytest.approx(0.01)
    assert fall.llm == pytest.approx(0.02)
    assert fall.gateway == pytest.approx(0.0, abs=1e-6)


def test_a_turn_that_waits_for_its_answer_was_due_when_the_silence_was_long_enough() -> (
    None
):
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    talker.hear(1.0)
    draft = talker.draft()
    talker.write(draft, "So.")
    talker.tell(e.ClauseTaken(draft, 3))
    talker.sound(draft)
    talker.finish()
    (ended,) = talker.all(c.TellTurnEnded)
    fall = ended.waterfall
    assert fall is not None
    assert fall.total == pytest.approx(1.2, abs=0.04)
    assert fall.endpointing == pytest.approx(0.44, abs=0.04)
    assert fall.llm == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("late", [0.1, 1.0])
def test_a_transcript_that_is_late_is_the_recognizers_share_and_not_the_silences(
    late: float,
) -> None:
    talker = Talker(predicting())
    talker.speak(1.0)
    talker.hear(PAUSE)
    talker.sounds(1.0)
    talker.hear(late)
    fall = answered_at_once(talker)
    assert fall.endpointing == pytest.approx(0.44, abs=0.04)
    assert fall.stt == pytest.approx(late, abs=0.04)
    assert fall.gateway < 0.04


def test_a_late_transcript_is_so_from_when_it_was_waited_for_where_nobody_answers_ahead() -> (
    None
):
    talker = Talker(predicting(speculations=0))
    talker.speak(1.0)
    talker.hear(PAUSE)
    talker.sounds(1.0)
    talker.hear(1.0)
    fall = answered_at_once(talker)
    assert fall.endpointing == pytest.approx(0.44, abs=0.04)
    assert fall.stt == pytest.approx(PAUSE + 1.0 - 0.44, abs=0.08)
    assert fall.gateway < 0.04


def test_a_transcript_that_comes_after_the_longest_wait_is_late_from_when_the_sound_was_enough() -> (
    None
):
    talker = Talker(predicting())
    talker.speak(1.0)
    talker.hear(PAUSE)
    talker.sounds(1.0)
    talker.hear(2.5)
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("It is red.")))
    fall = answered(talker)
    by_sound = Patience().wait(predicting().turns, likelihood(1.0, None))
    assert fall.endpointing == pytest.approx(by_sound, abs=0.04)
    assert fall.stt == pytest.approx(PAUSE + 2.5 - by_sound, abs=0.08)
    assert fall.gateway < 0.04


def test_a_prediction_that_is_late_is_endpointings_share() -> None:
    talker = Talker(predicting())
    talker.speak(1.0)
    talker.hear(PAUSE + 1.0)
    talker.sounds(1.0)
    fall = answered_at_once(talker)
    assert fall.endpointing == pytest.approx(1.2, abs=0.04)


def answered_at_once(talker: Talker) -> Waterfall:
    """The user is understood now, and answered without any delay."""
    talker.understood("It is red.")
    return answered(talker)


def answered(talker: Talker) -> Waterfall:
    """The model and the voice take no time."""
    draft = talker.draft()
    talker.write(draft, "So.")
    talker.tell(e.ClauseTaken(draft, 3))
    talker.sound(draft)
    talker.hear(0.5)
    talker.finish()
    (ended,) = talker.all(c.TellTurnEnded)
    assert ended.waterfall is not None
    return ended.waterfall


def test_each_share_is_held_to_its_own_budget_and_no_other() -> None:
    stopwatch = Stopwatch(0.0, 0.5, 0.25, 0.375, 0.625, 0.6875, 0.75)
    fall = stopwatch.waterfall({"llm": 0.25, "stt": 0.124, "total": 0.75})
    assert fall is not None
    assert fall.overruns == ("stt",)


@pytest.mark.parametrize(("took", "overruns"), [(0.5, ()), (1.0, ("llm", "total"))])
def test_what_a_client_waits_before_it_asks_is_nobodys_overrun(
    took: float, overruns: tuple[str, ...]
) -> None:
    asked = Stopwatch(0.0).asked_for(2.0)
    asked.clause_at = asked.audio_at = asked.sent_at = 2.0 + took
    budgets = {"total": 0.75, "endpointing": 0.5, "llm": 0.75}
    fall = asked.waterfall(budgets)
    assert fall is not None
    assert fall.overruns == overruns
    assert (fall.endpointing, fall.total) == (2.0, 2.0 + took)


def test_when_push_to_talk_is_let_go_is_nobodys_overrun() -> None:
    manual = Policy(turns=TurnTaking(endpointing=Endpointing.MANUAL))
    talker = Talker(manual, budgets={"total": 0.75, "endpointing": 0.5})
    talker.speak(1.0)
    talker.hear(2.0)
    talker.tell(e.Committed())
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("Why?")))
    ref = talker.ref()
    talker.answer(ref, "So.", 0.1)
    talker.hear(0.5)
    (ended,) = talker.all(c.TellTurnEnded)
    fall = ended.waterfall
    assert fall is not None
    assert fall.endpointing > 1.9
    assert fall.overruns == ()
