"""Answers that are begun before it is clear that the user is done."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
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
from tests.unit.conversation.talker import Talker, kinds, predicting, ready

GONE = Failure(Stage.LLM, 14, "gone")
MANUAL = TurnTaking(endpointing=Endpointing.MANUAL)


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
    assert talker.remembered() != drafted
    talker.hear(0.3)
    assert talker.remembered() == drafted
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
    assert talker.remembered() == talker.history.beginning()
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
    assert talker.remembered() == talker.all(c.Generate)[-1].messages


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
    assert talker.remembered() == talker.all(c.Generate)[-1].messages


def test_a_tool_that_is_given_up_meanwhile_is_what_the_draft_knows_too() -> None:
    talker = Talker(predicting(max_wait=5.0, tool_timeout=2.0))
    call_tool(talker)
    talker.pause("Well?", likely=0.0)
    talker.hear(1.5)
    assert talker.core.state is State.POISED
    talker.hear(5.0)
    assert talker.remembered() == talker.all(c.Generate)[-1].messages


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
    (told,) = talker.all(c.TellToolCall)
    assert (told.turn, told.call) == (1, call)
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
