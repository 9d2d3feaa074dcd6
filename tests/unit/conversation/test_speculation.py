"""Answers that are begun before it is clear that the user is done."""

from dataclasses import replace

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Failure,
    Image,
    Outcome,
    Policy,
    Speculated,
    Stage,
    State,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.driver import outcomes, prompt
from tests.unit.conversation.talker import PAUSE, Talker, kinds, patience, predicting

GONE = Failure(Stage.LLM, 14, "gone")
MANUAL = TurnTaking(endpointing=Endpointing.MANUAL)


def ready(policy: Policy | None = None) -> Talker:
    """A user who pauses, and an answer to them that waits at the door."""
    talker = Talker(policy or Policy())
    talker.pause("Why?")
    talker.write(talker.draft(), "Because.")
    talker.sound(talker.draft())
    return talker


# --- a draft ----------------------------------------------------------------------------------------------


def test_a_draft_is_begun_at_the_pause_and_nothing_of_it_is_told() -> None:
    talker = ready()
    assert talker.core.state is State.POISED
    assert talker.core.turn == 0
    assert talker.all(c.Speak) == [c.Speak(talker.draft(), "Because.")]
    assert talker.told() == []


def test_the_decision_lets_a_draft_out_at_once_and_in_order() -> None:
    talker = ready()
    talker.hear(0.3)
    assert kinds(talker.told()) == [
        c.TellTranscript,
        c.TellReplyStarted,
        c.TellText,
        c.TellAudio,
    ]
    assert len(talker.all(c.Generate)) == 1
    assert talker.speculated() == [Speculated.USED]
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]


def test_the_draft_has_the_prompt_that_the_turn_has() -> None:
    talker = Talker()
    talker.answer(talker.ask("One?"), "Two.", 0.5)
    talker.wait(1.0)
    talker.tell(e.TextSaid("I am Ada.", respond=False))
    talker.pause("Three?")
    drafted = talker.all(c.Generate)[-1].messages
    assert talker.history.prompt() != drafted
    talker.hear(0.3)
    assert talker.history.prompt() == drafted
    assert prompt(talker)[-1] == ("user", "I am Ada. Three?")


def test_a_user_who_goes_on_cancels_the_draft_in_the_same_step() -> None:
    talker = ready()
    draft = talker.draft()
    done = talker.tell(e.SpeechBegan(talker.position))
    assert done[0] == c.CancelReply(draft)
    assert c.ResumeTranscribe(talker.utterance()) in done
    talker.hear(1.0)
    talker.sound(draft)
    assert talker.told() == []
    assert talker.history.prompt() == talker.history.beginning()
    assert talker.speculated() == [Speculated.RESUMED]


def test_the_next_pause_makes_a_new_draft_from_all_that_was_said() -> None:
    talker = ready()
    talker.pause("Why is that so?")
    assert prompt(talker) == [("user", "Why is that so?")]
    talker.write(talker.draft(), "So.")
    talker.sound(talker.draft())
    talker.hear(0.3)
    talker.finish()
    assert [ended.heard_text for ended in talker.all(c.TellTurnEnded)] == ["So."]


def test_what_comes_late_of_a_cancelled_draft_is_nothing() -> None:
    talker = ready()
    old = talker.draft()
    talker.pause("Why is that so?")
    talker.tell(e.TextWritten(old, "leaked"))
    talker.tell(e.ToolCalled(old, ToolCall("call_1", "tool", "{}")))
    talker.tell(e.StageFailed(old, GONE))
    talker.hear(0.3)
    talker.write(talker.draft(), "So.")
    assert [text.text for text in talker.all(c.TellText)] == ["So."]
    assert talker.all(c.TellToolCall) == []


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_turn_has_so_many_drafts_and_no_more(most: int) -> None:
    talker = Talker(Policy(speculations=most))
    for number in range(5):
        talker.pause(f"Part {number}")
    assert len(talker.all(c.Generate)) == most
    talker.hear(0.3)
    assert len(talker.all(c.Generate)) == most + 1
    talker.answer(talker.draft(), "Yes.", 0.5)
    talker.finish()
    assert prompt(talker) == [("user", "Part 4")]
    # The next turn has as many again.
    talker.pause("Next")
    assert len(talker.all(c.Generate)) == most + 1 + min(most, 1)


def test_nothing_understood_at_the_pause_is_not_answered() -> None:
    talker = Talker()
    talker.pause("  ")
    assert talker.all(c.Generate) == []
    talker.hear(0.3)
    assert outcomes(talker) == [Outcome.EMPTY]


def test_the_voice_gets_no_more_of_a_draft_than_can_be_heard_first() -> None:
    talker = Talker(Policy(draft_text=10))
    talker.pause("Why?")
    draft = talker.draft()
    talker.tell(e.TextWritten(draft, "Because "))
    talker.tell(e.TextWritten(draft, "it is so, and so on."))
    talker.tell(e.ReplyWritten(draft, Usage()))
    assert "".join(speak.text for speak in talker.all(c.Speak)) == "Because it"
    assert talker.all(c.FinishSpeaking) == []
    talker.hear(0.3)
    spoken = "".join(speak.text for speak in talker.all(c.Speak))
    assert spoken == "Because it is so, and so on."
    assert talker.all(c.FinishSpeaking) == [c.FinishSpeaking(draft)]


def test_a_late_checkpoint_is_not_taken_for_the_one_of_this_pause() -> None:
    talker = Talker()
    talker.speak(1.0)
    talker.hear(0.2)
    talker.pause("Both.")
    (first, _) = talker.all(c.TakeCheckpoint)
    assert talker.tell(e.CheckpointHeard(first.ref, first.id, Transcript("Half"))) == []
    assert prompt(talker) == [("user", "Both.")]


def test_what_a_draft_cost_in_vain_is_noted() -> None:
    talker = Talker()
    talker.pause("Why?")
    draft = talker.draft()
    for piece in ("Be", "cause", "."):
        talker.tell(e.TextWritten(draft, piece))
    talker.sound(draft, 0.7)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(0.1)
    assert talker.all(c.NoteSpeculation) == [
        c.NoteSpeculation(draft, Speculated.RESUMED, tokens=3, audio=0.7)
    ]


# --- drafts that fail -------------------------------------------------------------------------------------


def test_a_draft_that_fails_costs_nothing() -> None:
    talker = Talker()
    talker.pause("Why?")
    failed = talker.draft()
    done = talker.tell(e.StageFailed(failed, GONE))
    assert c.CancelReply(failed) in done
    assert talker.told() == []
    talker.hear(0.3)
    assert talker.draft() != failed
    talker.answer(talker.draft(), "Because.", 0.5)
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert prompt(talker) == [("user", "Why?")]


@pytest.mark.parametrize("stage", [Stage.LLM, Stage.TTS])
def test_a_draft_that_hangs_is_given_up_and_its_turn_is_answered_anew(
    stage: Stage,
) -> None:
    policy = predicting(max_wait=5.0, llm_timeout=1.0, tts_timeout=1.0)
    talker = Talker(policy)
    talker.pause("Why?", likely=1.0)
    hung = talker.draft()
    if stage is Stage.TTS:
        talker.write(hung, "Because.")
        talker.tell(e.ClauseTaken(hung, 8))
    talker.hear(2.0)
    assert talker.speculated() == [Speculated.FAILED]
    assert c.CancelReply(hung) in talker.done
    talker.answer(talker.draft(), "Because.", 0.5)
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]


def test_a_draft_of_which_enough_is_there_may_wait_for_its_turn_as_long_as_it_takes() -> (
    None
):
    policy = predicting(max_wait=5.0, llm_timeout=1.0, draft_text=5)
    talker = Talker(policy)
    talker.pause("Why?", likely=0.0)
    draft = talker.draft()
    talker.tell(e.TextWritten(draft, "Because it is "))
    talker.hear(5.0)
    assert talker.core.turn == 1
    assert talker.draft() == draft
    talker.tell(e.TextWritten(draft, "so."))
    talker.tell(e.ReplyWritten(draft, Usage()))
    talker.sound(draft)
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]


def test_an_answer_that_hangs_after_its_decision_fails_its_turn() -> None:
    talker = Talker(Policy(llm_timeout=1.0))
    talker.pause("Why?")
    talker.hear(0.3)
    talker.wait(2.0)
    (ended,) = talker.all(c.TellTurnEnded)
    assert ended.failure is not None
    assert ended.failure.stage is Stage.LLM


# --- what changes the prompt meanwhile --------------------------------------------------------------------


def test_a_text_meanwhile_makes_a_new_draft_that_knows_it() -> None:
    talker = ready()
    old = talker.draft()
    done = talker.tell(e.TextSaid("I am Ada.", respond=False))
    assert c.CancelReply(old) in done
    assert prompt(talker) == [("user", "I am Ada. Why?")]
    assert talker.speculated() == [Speculated.SUPERSEDED]
    talker.hear(0.3)
    assert talker.history.prompt() == talker.all(c.Generate)[-1].messages


def test_a_picture_meanwhile_makes_a_new_draft_that_sees_it() -> None:
    talker = ready()
    talker.tell(e.ImageShown(Image(b"x", "image/png")))
    assert talker.all(c.Generate)[-1].messages[-1].images == (Image(b"x", "image/png"),)
    assert len(talker.all(c.Generate)) == 2


def call_tool(talker: Talker) -> None:
    ref = talker.ask("What time is it?")
    talker.tell(e.ToolCalled(ref, ToolCall("call_1", "clock", "{}")))
    talker.tell(e.ReplyWritten(ref, Usage()))


def test_a_tool_result_meanwhile_makes_a_new_draft_that_knows_it() -> None:
    talker = Talker()
    call_tool(talker)
    talker.pause("Well?")
    assert "went on before" in prompt(talker)[-2][1]
    talker.tell(e.ToolReturned("call_1", "noon"))
    assert prompt(talker)[-2:] == [("tool", "noon"), ("user", "Well?")]
    talker.hear(0.3)
    assert talker.history.prompt() == talker.all(c.Generate)[-1].messages


def test_a_tool_that_is_given_up_meanwhile_is_what_the_draft_knows_too() -> None:
    talker = Talker(predicting(max_wait=5.0, tool_timeout=2.0))
    call_tool(talker)
    talker.pause("Well?", likely=0.0)
    talker.hear(1.5)
    assert talker.core.state is State.POISED
    talker.hear(5.0)
    assert talker.history.prompt() == talker.all(c.Generate)[-1].messages


def test_what_the_client_says_was_heard_makes_a_new_draft_that_knows_it() -> None:
    talker = Talker()
    talker.answer(talker.ask("One?"), "abcdefghij", 1.0)
    talker.wait(2.0)
    talker.pause("Two?")
    talker.tell(e.ReplyTruncated(1, 0.35))
    assert prompt(talker)[1] == ("assistant", "abc")
    assert len(talker.all(c.Generate)) == 3


@pytest.mark.parametrize("what", ["late result", "truncate"])
def test_what_changes_nothing_about_the_prompt_leaves_the_draft_alone(
    what: str,
) -> None:
    talker = Talker()
    call_tool(talker)
    talker.answer(talker.ask("Never mind."), "abcdefghij", 1.0)
    talker.wait(2.0)
    talker.pause("Well?")
    draft = talker.draft()
    if what == "late result":
        talker.tell(e.ToolReturned("call_1", "noon"))
    else:
        talker.tell(e.ReplyTruncated(talker.core.turn, 1.0))
    assert talker.all(c.CancelReply) == []
    assert talker.draft() == draft


# --- what a client does meanwhile -------------------------------------------------------------------------


def test_a_commit_lets_the_draft_out_at_once() -> None:
    talker = ready(predicting(max_wait=5.0))
    done = talker.tell(e.Committed())
    assert c.TellAudio in kinds(done)
    assert talker.speculated() == [Speculated.USED]


def test_a_commit_before_the_first_audio_decides_all_the_same() -> None:
    talker = Talker(predicting(max_wait=5.0))
    talker.pause("Why?")
    draft = talker.draft()
    talker.tell(e.Committed())
    assert talker.core.turn == 1
    talker.answer(draft, "Because.", 0.5)
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert len(talker.all(c.Generate)) == 1


def test_cleared_speech_takes_its_draft_along() -> None:
    talker = ready()
    done = talker.tell(e.Cleared())
    assert done[:2] == [c.CancelReply(talker.draft()), talker.done[-2]]
    assert talker.speculated() == [Speculated.FORGOTTEN]
    talker.hear(2.0)
    assert talker.told() == []
    assert talker.core.turn == 0


def test_a_text_to_be_answered_takes_the_place_of_what_was_spoken() -> None:
    talker = ready()
    done = talker.tell(e.TextSaid("Written.", respond=True))
    assert c.CancelReply(talker.all(c.Generate)[0].ref) in done
    assert talker.speculated() == [Speculated.FORGOTTEN]
    assert prompt(talker) == [("user", "Written.")]
    talker.answer(talker.draft(), "Read.", 0.5)
    talker.finish()
    assert [ended.heard_text for ended in talker.all(c.TellTurnEnded)] == ["Read."]


def test_the_end_of_the_input_lets_the_draft_out_and_closes_behind_it() -> None:
    talker = ready(predicting(max_wait=5.0))
    talker.tell(e.InputEnded())
    assert talker.speculated() == [Speculated.USED]
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert talker.all(c.Close) == [c.Close(1)]


def test_a_client_that_cancels_a_reply_it_cannot_know_of_cancels_nothing() -> None:
    talker = ready()
    assert talker.tell(e.ReplyCancelled()) == []
    talker.hear(0.3)
    assert talker.speculated() == [Speculated.USED]


# --- tools ------------------------------------------------------------------------------------------------


def test_tool_calls_of_a_draft_are_told_and_awaited_only_after_the_decision() -> None:
    talker = Talker()
    talker.pause("What time is it?")
    draft = talker.draft()
    call = ToolCall("call_1", "clock", "{}")
    talker.tell(e.ToolCalled(draft, call))
    talker.tell(e.ReplyWritten(draft, Usage()))
    assert talker.told() == []
    talker.hear(0.3)
    assert talker.all(c.TellToolCall) == [c.TellToolCall(1, call)]
    assert outcomes(talker) == [Outcome.TOOL_CALLS]
    assert talker.tell(e.ToolReturned("call_1", "noon"))
    assert prompt(talker)[-1] == ("tool", "noon")


def test_nobody_may_answer_a_call_that_was_never_told() -> None:
    talker = Talker()
    talker.pause("What time is it?")
    talker.tell(e.ToolCalled(talker.draft(), ToolCall("call_1", "clock", "{}")))
    (refused,) = talker.tell(e.ToolReturned("call_1", "noon"))
    assert isinstance(refused, c.Refuse)


def test_calls_of_a_draft_that_was_dropped_are_awaited_by_nobody() -> None:
    talker = Talker()
    talker.pause("What time is it?")
    talker.tell(e.ToolCalled(talker.draft(), ToolCall("call_1", "clock", "{}")))
    talker.pause("What time is it in Paris?")
    talker.hear(0.3)
    talker.answer(talker.draft(), "Noon.", 0.5)
    talker.finish()
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert talker.all(c.TellToolCall) == []


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


# --- where the time went ----------------------------------------------------------------------------------


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
