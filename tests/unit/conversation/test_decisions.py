"""When it is decided that the user is done, and what that does to the answer made ahead."""

from dataclasses import replace

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Failure,
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
from tests.unit.conversation.talker import (
    PAUSE,
    Talker,
    kinds,
    patience,
    predicting,
    ready,
)

GONE = Failure(Stage.LLM, 14, "gone")
MANUAL = TurnTaking(endpointing=Endpointing.MANUAL)


# --- when it is decided -----------------------------------------------------------------------------------


def decided_after(talker: Talker, most: float = 10.0) -> float:
    """Seconds of silence from the end of the speech to the decision."""
    began = talker.position
    while talker.core.turn == 0 and talker.position < began + most:
        talker.hear(0.032)
    return talker.position - began + 0.192


@pytest.mark.parametrize("audio", [True, False])
def test_by_silence_the_turn_is_decided_at_the_silence_strictly(audio: bool) -> None:
    talker = ready() if audio else Talker()
    if not audio:
        talker.pause("Why?")
    assert decided_after(talker) == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("likely", [1.0, 0.0, None, 0.5])
def test_by_prediction_the_wait_follows_from_how_likely_the_user_is_done(
    likely: float | None,
) -> None:
    talker = Talker(predicting())
    talker.pause("It is red.")
    talker.sounds(likely)
    talker.write(talker.draft(), "So.")
    talker.sound(talker.draft())
    wait = patience("It is red.", likely, predicting().turns)
    assert decided_after(talker) == pytest.approx(wait, abs=0.04)


def test_a_predictor_that_hangs_costs_no_more_than_the_longest_wait() -> None:
    talker = ready(predicting())
    assert decided_after(talker) == pytest.approx(2.0, abs=0.04)


def test_what_seems_done_stays_undecided_until_there_is_something_to_say() -> None:
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    talker.hear(1.0)
    assert talker.core.state is State.POISED
    talker.write(talker.draft(), "So.")
    assert talker.core.state is State.POISED
    done = talker.sound(talker.draft())
    assert talker.core.turn == 1
    assert c.TellAudio in kinds(done)


def test_what_seems_done_is_decided_at_the_longest_wait_without_any_audio() -> None:
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    assert decided_after(talker) == pytest.approx(2.0, abs=0.04)


def test_what_seems_done_may_still_go_on_until_there_is_something_to_say() -> None:
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    talker.hear(1.0)
    talker.pause("It is red, is it?", likely=1.0)
    assert talker.core.turn == 0
    assert outcomes(talker) == []


@pytest.mark.parametrize("limit", ["none left", "failed"])
def test_without_a_draft_nothing_is_waited_for(limit: str) -> None:
    talker = Talker(predicting(speculations=0 if limit == "none left" else 3))
    talker.pause("It is red.", likely=1.0)
    if limit == "failed":
        talker.tell(e.StageFailed(talker.draft(), GONE))
    wait = patience("It is red.", 1.0, predicting().turns)
    assert decided_after(talker) == pytest.approx(wait, abs=0.04)


def test_a_draft_with_nothing_to_say_is_ready() -> None:
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    talker.tell(e.ReplyWritten(talker.draft(), Usage()))
    wait = patience("It is red.", 1.0, predicting().turns)
    assert decided_after(talker) == pytest.approx(wait, abs=0.04)
    assert outcomes(talker) == [Outcome.EMPTY]


def test_a_prediction_of_an_earlier_pause_says_nothing_about_this_one() -> None:
    talker = Talker(predicting())
    talker.pause("It is")
    old = talker.all(c.PredictEnd)[-1]
    talker.pause("It is red.")
    talker.tell(e.EndPredicted(old.ref, old.id, 1.0))
    talker.write(talker.draft(), "So.")
    talker.sound(talker.draft())
    assert decided_after(talker) == pytest.approx(2.0, abs=0.04)


def test_the_predictor_hears_the_utterance_from_its_preroll_into_the_pause() -> None:
    talker = Talker(predicting())
    talker.hear(2.0)
    talker.pause("Why?")
    (asked,) = talker.all(c.PredictEnd)
    assert asked.start == talker.all(c.Transcribe)[0].start
    assert asked.end == pytest.approx(talker.position, abs=0.04)


@pytest.mark.parametrize("endpointing", [Endpointing.SILENCE, Endpointing.MANUAL])
def test_nobody_predicts_what_nobody_asked_for(endpointing: Endpointing) -> None:
    talker = Talker(Policy(turns=TurnTaking(endpointing=endpointing)))
    talker.pause("Why?")
    assert talker.all(c.PredictEnd) == []


def test_push_to_talk_speculates_nothing_and_answers_what_was_understood() -> None:
    talker = Talker(Policy(turns=MANUAL))
    talker.pause("Why?")
    talker.hear(5.0)
    assert talker.all(c.Generate) == []
    talker.tell(e.Committed())
    assert prompt(talker) == [("user", "Why?")]
    assert talker.speculated() == []


def test_who_is_cut_off_is_waited_for_longer() -> None:
    talker = Talker(predicting(Eagerness.AUTO))
    talker.pause("It is red.", likely=1.0)
    talker.write(talker.draft(), "So what.")
    talker.sound(talker.draft(), 5.0)
    talker.hear(0.3)
    assert talker.core.turn == 1
    talker.speak(0.8)
    talker.hear(0.2)
    talker.understood("As I said.", likely=1.0)
    talker.write(talker.draft(), "Sorry.")
    talker.sound(talker.draft())
    talker.hear(0.25)
    assert talker.core.turn == 1
    talker.hear(0.2)
    assert talker.core.turn == 2


def test_who_listens_to_answers_is_waited_for_less() -> None:
    policy = predicting(Eagerness.AUTO)
    talker = Talker(policy)
    for _ in range(20):
        talker.answer(talker.ask(), "Because.", 2.0)
        talker.wait(3.0)
    turns = talker.core.turn
    talker.pause("It is red.", likely=1.0)
    talker.write(talker.draft(), "So.")
    talker.sound(talker.draft())
    talker.hear(patience("It is red.", 1.0, policy.turns) - PAUSE - 0.032)
    assert talker.core.turn == turns + 1


def test_a_sound_alone_decides_nothing_that_the_words_may_yet_deny() -> None:
    talker = Talker(predicting())
    talker.speak(1.0)
    talker.hear(PAUSE)
    talker.sounds(1.0)
    wait = patience("I want a", 1.0, predicting().turns)
    talker.hear(wait - PAUSE - 0.1)
    talker.understood("I want a")
    talker.write(talker.draft(), "What?")
    talker.sound(talker.draft())
    assert talker.core.turn == 0
    talker.hear(0.2)
    assert talker.core.turn == 1


# --- turn-taking that changes in the pause ----------------------------------------------------------------


def test_a_pause_that_becomes_push_to_talk_waits_for_the_commit() -> None:
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    talker.hear(1.0)
    talker.tell(e.TurnTakingChanged(MANUAL))
    talker.write(talker.draft(), "So.")
    talker.sound(talker.draft())
    talker.hear(5.0)
    assert talker.core.turn == 0
    talker.tell(e.Committed())
    assert talker.speculated() == [Speculated.USED]


def test_a_pause_that_is_to_be_longer_is_longer() -> None:
    talker = Talker(predicting())
    talker.pause("It is red.", likely=1.0)
    talker.hear(0.5)
    slower = predicting(min_wait=3.0, max_wait=4.0).turns
    talker.tell(e.TurnTakingChanged(slower))
    talker.write(talker.draft(), "So.")
    talker.sound(talker.draft())
    assert talker.core.turn == 0
    talker.hear(2.5)
    assert talker.core.turn == 1


@pytest.mark.parametrize(
    "turns", [TurnTaking(silence=0.5), predicting(max_wait=0.5).turns]
)
def test_a_pause_in_push_to_talk_ends_once_it_is_left(turns: TurnTaking) -> None:
    talker = Talker(Policy(turns=MANUAL))
    talker.pause("It is red.")
    talker.hear(3.0)
    talker.tell(e.TurnTakingChanged(turns))
    talker.hear(0.1)
    assert talker.core.turn == 1


# --- a recognizer that dies -------------------------------------------------------------------------------


def test_a_recognizer_that_dies_after_its_checkpoint_has_said_all_that_is_needed() -> (
    None
):
    talker = ready()
    talker.tell(e.StageFailed(talker.utterance(), replace(GONE, stage=Stage.STT)))
    talker.hear(0.3)
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]


@pytest.mark.parametrize("max_wait", [0.3, 2.0, 5.0])
def test_a_recognizer_that_dies_before_its_checkpoint_fails_the_turn_after_a_silence(
    max_wait: float,
) -> None:
    talker = Talker(predicting(min_wait=0.2, max_wait=max_wait))
    talker.speak(1.0)
    talker.hear(0.2)
    talker.tell(e.StageFailed(talker.utterance(), replace(GONE, stage=Stage.STT)))
    assert decided_after(talker) == pytest.approx(min(0.4, max_wait), abs=0.04)
    (ended,) = talker.all(c.TellTurnEnded)
    assert ended.failure == replace(GONE, stage=Stage.STT)
    assert talker.all(c.FinishTranscribe) == []


def test_a_recognizer_that_hangs_is_waited_for_after_the_longest_wait() -> None:
    talker = Talker(predicting())
    talker.speak(1.0)
    talker.hear(0.192)
    assert decided_after(talker) == pytest.approx(2.0, abs=0.04)
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("Why?")))
    assert prompt(talker) == [("user", "Why?")]


# --- reading ahead ----------------------------------------------------------------------------------------


def prepared(talker: Talker) -> list[str]:
    return [command.messages[-1].text for command in talker.all(c.Prepare)[1:]]


def test_words_that_will_not_change_are_read_while_the_user_still_speaks() -> None:
    talker = Talker(Policy(prefill=True))
    talker.tell(e.SpeechBegan(0.0))
    talker.hear(0.5)
    said = "Tell me everything that you know about Paris"
    for stable in (0, 3, 14, 20, 27, len(said)):
        talker.tell(e.PartialHeard(talker.utterance(), said, stable))
    assert prepared(talker) == [
        "Tell me everything",
        "Tell me everything that you know about",
    ]
    assert talker.all(c.TellPartial) == []
    assert talker.all(c.Generate) == []


def test_nothing_is_read_ahead_where_it_is_not_wanted() -> None:
    talker = Talker(Policy(prefill=False))
    talker.tell(e.SpeechBegan(0.0))
    talker.hear(0.5)
    talker.tell(e.PartialHeard(talker.utterance(), "Tell me everything now", 22))
    assert prepared(talker) == []
    assert not talker.all(c.Transcribe)[0].partials
