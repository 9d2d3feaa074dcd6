"""What the assistant says without having been asked, and what becomes of tools that do not answer."""

from itertools import pairwise

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Failure,
    Idle,
    Initiative,
    Outcome,
    Policy,
    Ref,
    Stage,
    State,
    ToolCall,
    Transcript,
    Usage,
)
from tests.unit.conversation.driver import outcomes, prompt
from tests.unit.conversation.talker import Talker, kinds

HELLO = Initiative(say="Hello there.")
THERE = Idle(10.0, Initiative(say="Still there?"), most=2)


def greeted() -> Talker:
    """The greeting is under way: a second of two has been heard."""
    talker = Talker(Policy(greeting=HELLO))
    voice(talker, 2.0)
    talker.hear(1.0)
    return talker


def said_by(talker: Talker) -> Ref:
    """Of what was given to the voice last."""
    return talker.all(c.Speak)[-1].ref


def voice(talker: Talker, seconds: float = 1.0) -> None:
    """The voice speaks what it was given last, with a mark in the middle and at the end."""
    ref, text = said_by(talker), talker.all(c.Speak)[-1].text
    half = len(text) // 2
    talker.tell(e.MarkSpoken(ref, half, seconds / 2))
    talker.tell(e.AudioSpoken(ref, 0.0, seconds / 2, b"half"))
    talker.tell(e.MarkSpoken(ref, len(text), seconds))
    talker.tell(e.AudioSpoken(ref, seconds / 2, seconds / 2, b"half"))
    talker.tell(e.ReplySpoken(ref))


def assert_roles_alternate(talker: Talker) -> None:
    roles = [speaker for speaker, _ in prompt(talker)]
    assert roles[0] == "user"
    assert all(one != other for one, other in pairwise(roles))


# --- a greeting -------------------------------------------------------------------------------------------


def test_a_greeting_is_spoken_as_it_is_without_the_model() -> None:
    talker = Talker(Policy(greeting=HELLO))
    assert talker.all(c.Generate) == []
    assert [speak.text for speak in talker.all(c.Speak)] == ["Hello there."]
    assert len(talker.all(c.FinishSpeaking)) == 1
    told = kinds(talker.told())
    assert told == [c.TellReplyStarted, c.TellText]
    voice(talker)
    talker.wait(2.0)
    (ended,) = talker.all(c.TellTurnEnded)
    assert (ended.turn, ended.outcome) == (1, Outcome.ANSWERED)
    assert ended.heard_text == "Hello there."
    assert ended.waterfall is None


def test_a_greeting_in_the_models_words_answers_its_prompt() -> None:
    talker = Talker(Policy(greeting=Initiative(prompt="Greet me.")))
    assert talker.all(c.Speak) == []
    assert prompt(talker) == [("user", "Greet me.")]
    talker.answer(talker.draft(), "Hi!", 0.5)
    talker.wait(1.0)
    talker.ask("Who are you?")
    assert prompt(talker) == [
        ("user", "Greet me."),
        ("assistant", "Hi!"),
        ("user", "Who are you?"),
    ]


def test_the_instructions_are_prepared_beside_a_greeting_that_needs_no_model() -> None:
    assert len(Talker(Policy(greeting=HELLO)).all(c.Prepare)) == 1
    generated = Talker(Policy(greeting=Initiative(prompt="Greet me.")))
    assert generated.all(c.Prepare) == []


def test_what_was_greeted_with_is_remembered_as_an_answer() -> None:
    talker = Talker(Policy(greeting=HELLO))
    voice(talker)
    talker.wait(2.0)
    talker.ask("Who are you?")
    assert prompt(talker)[1:] == [
        ("assistant", "Hello there."),
        ("user", "Who are you?"),
    ]
    assert_roles_alternate(talker)


def test_a_user_who_speaks_into_the_greeting_has_heard_so_much_of_it() -> None:
    talker = greeted()
    talker.speak(0.3)
    talker.hear(0.2)
    talker.understood("Stop.")
    (ended,) = talker.all(c.TellTurnEnded)
    assert (ended.outcome, ended.heard_text) == (Outcome.INTERRUPTED, "Hello ")
    talker.hear(0.3)
    assert prompt(talker)[1:] == [("assistant", "Hello "), ("user", "Stop.")]
    assert_roles_alternate(talker)


def test_a_user_who_was_faster_than_the_greeting_is_answered() -> None:
    talker = Talker(Policy(greeting=HELLO))
    talker.speak(1.0)
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert c.CancelReply(said_by(talker)) in talker.done
    talker.hear(0.2)
    talker.understood("Who are you?")
    assert_roles_alternate(talker)


def test_a_backchannel_does_not_stop_the_greeting() -> None:
    talker = greeted()
    talker.speak(0.3)
    talker.hear(0.2)
    talker.understood("Uh-huh.")
    talker.wait(2.0)
    assert outcomes(talker) == [Outcome.ANSWERED]


@pytest.mark.parametrize("greeting", [HELLO, Initiative(prompt="Greet me.")])
def test_a_greeting_that_fails_fails_its_turn_only(greeting: Initiative) -> None:
    talker = Talker(Policy(greeting=greeting))
    ref = said_by(talker) if greeting.say else talker.draft()
    talker.tell(e.StageFailed(ref, Failure(Stage.TTS, 14, "gone")))
    assert outcomes(talker) == [Outcome.FAILED]
    talker.answer(talker.ask("Hello?"), "Yes.", 0.5)
    talker.wait(1.0)
    assert outcomes(talker) == [Outcome.FAILED, Outcome.ANSWERED]
    assert_roles_alternate(talker)


def test_a_greeting_whose_voice_hangs_is_given_up() -> None:
    talker = Talker(Policy(greeting=HELLO, tts_timeout=1.0))
    talker.wait(2.0)
    (ended,) = talker.all(c.TellTurnEnded)
    assert ended.failure is not None
    assert ended.failure.stage is Stage.TTS


def test_a_conversation_that_ends_with_its_greeting_closes_behind_it() -> None:
    talker = Talker(Policy(greeting=HELLO))
    talker.tell(e.InputEnded())
    assert talker.all(c.Close) == []
    voice(talker)
    talker.wait(2.0)
    assert talker.all(c.Close) == [c.Close(1)]


# --- a silence that is broken -----------------------------------------------------------------------------


def prompted(talker: Talker) -> int:
    return len([speak for speak in talker.all(c.Speak) if speak.text == "Still there?"])


def idle_out(talker: Talker, times: int = 5) -> None:
    """Let the user say nothing, and let what is said about it be spoken."""
    for _ in range(times):
        before = prompted(talker)
        talker.wait(10.5)
        if prompted(talker) > before:
            voice(talker, 0.5)
            talker.wait(1.0)


def test_a_silence_is_broken_so_often_and_no_more() -> None:
    talker = Talker(Policy(idle=THERE))
    talker.wait(9.9)
    assert prompted(talker) == 0
    talker.wait(0.2)
    assert prompted(talker) == 1
    voice(talker, 2.0)
    # Silence counts from the end of what was said about it.
    talker.wait(11.9)
    assert prompted(talker) == 1
    talker.wait(0.2)
    assert prompted(talker) == 2
    voice(talker)
    talker.wait(1000.0)
    assert prompted(talker) == 2
    assert outcomes(talker) == [Outcome.ANSWERED] * 2
    assert talker.core.wake_at(talker.now) is None


def test_a_user_who_says_something_is_prompted_anew() -> None:
    talker = Talker(Policy(idle=THERE))
    idle_out(talker)
    assert prompted(talker) == 2
    talker.answer(talker.ask("Yes."), "Good.", 0.5)
    talker.wait(1.0)
    assert_roles_alternate(talker)
    idle_out(talker)
    assert prompted(talker) == 4


@pytest.mark.parametrize("respond", [True, False])
def test_a_user_who_writes_something_is_prompted_anew(respond: bool) -> None:
    talker = Talker(Policy(idle=THERE))
    idle_out(talker)
    talker.tell(e.TextSaid("I am here.", respond=respond))
    if respond:
        talker.answer(talker.draft(), "Good.", 0.5)
        talker.wait(1.0)
    idle_out(talker)
    assert prompted(talker) == 4


def test_who_has_just_written_is_not_silent() -> None:
    talker = Talker(Policy(idle=THERE))
    talker.wait(9.0)
    talker.tell(e.TextSaid("One moment.", respond=False))
    talker.wait(9.0)
    assert prompted(talker) == 0
    talker.wait(2.0)
    assert prompted(talker) == 1


def test_a_cough_is_not_something_said() -> None:
    talker = Talker(Policy(idle=THERE))
    for _ in range(5):
        idle_out(talker, times=1)
        talker.speak(0.2)
        talker.hear(0.5)
        talker.tell(e.FinalHeard(talker.utterance(), Transcript("")))
    assert prompted(talker) == 2


def test_nobody_is_prompted_while_they_speak_or_pause() -> None:
    talker = Talker(Policy(idle=Idle(1.0, THERE.what)))
    talker.tell(e.SpeechBegan(0.0))
    talker.hear(5.0)
    assert prompted(talker) == 0
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    assert talker.core.state is State.POISED
    talker.wait(2.0)
    assert prompted(talker) == 0


def test_nobody_is_prompted_while_they_are_answered() -> None:
    talker = Talker(Policy(idle=Idle(1.0, THERE.what)))
    ref = talker.ask()
    talker.wait(5.0)
    assert prompted(talker) == 0
    talker.answer(ref, "Because.", 5.0)
    talker.wait(5.5)
    assert prompted(talker) == 0
    talker.wait(1.0)
    assert prompted(talker) == 1


def test_nobody_is_prompted_while_a_tool_is_awaited() -> None:
    talker = Talker(Policy(idle=Idle(1.0, THERE.what), tool_timeout=30.0))
    call(talker, 1)
    talker.wait(20.0)
    assert prompted(talker) == 0
    talker.tell(e.ToolReturned("call_1", "noon"))
    talker.answer(talker.draft(), "Noon.", 0.5)
    talker.wait(2.0)
    assert prompted(talker) == 1


def test_nobody_is_prompted_once_they_are_gone() -> None:
    talker = Talker(Policy(idle=THERE))
    talker.tell(e.InputEnded())
    talker.wait(100.0)
    assert prompted(talker) == 0
    assert talker.all(c.Close) == [c.Close(0)]


def test_a_greeting_is_no_silence() -> None:
    talker = Talker(Policy(greeting=HELLO, idle=Idle(2.0, THERE.what)))
    voice(talker, 5.0)
    talker.wait(6.9)
    assert prompted(talker) == 0
    talker.wait(0.2)
    assert prompted(talker) == 1


def test_a_silence_may_be_broken_in_the_models_words() -> None:
    what = Initiative(prompt="The user is silent; ask whether they are there.")
    talker = Talker(Policy(idle=Idle(10.0, what)))
    talker.wait(10.1)
    assert prompt(talker) == [("user", what.prompt)]
    talker.answer(talker.draft(), "Are you there?", 0.5)
    talker.wait(1.0)
    talker.ask("Yes.")
    assert_roles_alternate(talker)


def test_a_user_may_speak_into_what_breaks_their_silence() -> None:
    talker = Talker(Policy(idle=THERE))
    talker.wait(10.1)
    voice(talker, 2.0)
    talker.hear(1.1)
    talker.speak(0.3)
    talker.hear(0.2)
    talker.understood("I am here.")
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert_roles_alternate(talker)


# --- tools ------------------------------------------------------------------------------------------------


def call(talker: Talker, *numbers: int, say: str = "") -> None:
    """The user asks, and the model calls tools."""
    ref = talker.ask("What time is it?")
    for number in numbers:
        talker.tell(e.ToolCalled(ref, ToolCall(f"call_{number}", "clock", "{}")))
    if say:
        talker.answer(ref, say, 1.0)
        talker.wait(2.0)
    else:
        talker.tell(e.ReplyWritten(ref, Usage()))


def tools(talker: Talker) -> list[str]:
    return [text for speaker, text in prompt(talker) if speaker == "tool"]


def test_a_tool_that_never_answers_is_given_up_and_the_model_goes_on() -> None:
    talker = Talker(Policy(tool_timeout=5.0))
    call(talker, 1)
    talker.wait(4.9)
    assert len(talker.all(c.Generate)) == 1
    talker.wait(0.2)
    assert "no result in time" in tools(talker)[0]
    talker.answer(talker.draft(), "I could not find out.", 0.5)
    talker.wait(1.0)
    assert outcomes(talker) == [Outcome.TOOL_CALLS, Outcome.ANSWERED]


def test_of_parallel_calls_what_came_is_kept_when_the_rest_is_given_up() -> None:
    talker = Talker(Policy(tool_timeout=5.0))
    call(talker, 1, 2, 3)
    talker.tell(e.ToolReturned("call_2", "two"))
    talker.wait(5.1)
    found = tools(talker)
    assert found[0] == "two"
    assert len(found) == 3
    assert all("no result in time" in result for result in found[1:])


def test_a_result_that_comes_after_it_was_given_up_is_nothing() -> None:
    talker = Talker(Policy(tool_timeout=5.0))
    call(talker, 1)
    talker.wait(5.1)
    assert talker.tell(e.ToolReturned("call_1", "noon")) == []
    talker.answer(talker.draft(), "Sorry.", 0.5)
    talker.wait(1.0)
    talker.ask("And now?")
    assert "noon" not in tools(talker)


def test_a_result_that_comes_twice_counts_once() -> None:
    talker = Talker()
    call(talker, 1, 2)
    talker.tell(e.ToolReturned("call_1", "one"))
    refused = talker.tell(e.ToolReturned("call_1", "other"))
    assert kinds(refused) == [c.Refuse]
    talker.tell(e.ToolReturned("call_2", "two"))
    assert tools(talker) == ["one", "two"]


def test_the_wait_for_a_tool_counts_from_the_last_word_spoken_before_it() -> None:
    talker = Talker(Policy(tool_timeout=5.0))
    call(talker, 1, say="Let me look.")
    talker.wait(3.0)
    assert len(talker.all(c.Generate)) == 1
    talker.wait(2.1)
    assert len(talker.all(c.Generate)) == 2
    assert ("assistant", "Let me look.") in prompt(talker)


@pytest.mark.parametrize("how", ["empty", "failed"])
def test_a_turn_that_comes_to_nothing_does_not_make_a_tool_be_awaited_for_ever(
    how: str,
) -> None:
    talker = Talker(Policy(tool_timeout=5.0))
    call(talker, 1)
    talker.speak(0.3)
    talker.hear(0.5)
    ref = talker.utterance()
    if how == "empty":
        talker.tell(e.FinalHeard(ref, Transcript("")))
    else:
        talker.tell(e.StageFailed(ref, Failure(Stage.STT, 14, "gone")))
    talker.wait(5.0)
    assert "no result in time" in tools(talker)[0]


def test_each_calls_wait_is_its_own() -> None:
    talker = Talker(Policy(tool_timeout=5.0))
    call(talker, 1)
    talker.wait(3.0)
    talker.tell(e.ToolReturned("call_1", "one"))
    ref = talker.draft()
    talker.tell(e.ToolCalled(ref, ToolCall("call_2", "clock", "{}")))
    talker.wait(3.0)
    talker.tell(e.ReplyWritten(ref, Usage()))
    talker.wait(4.9)
    assert len(talker.all(c.Generate)) == 2
    talker.wait(0.2)
    assert len(talker.all(c.Generate)) == 3


def test_a_tool_given_up_while_the_user_speaks_leaves_them_the_floor() -> None:
    talker = Talker(Policy(tool_timeout=2.0))
    call(talker, 1)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(3.0)
    assert len(talker.all(c.Generate)) == 1
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    talker.understood("Well?")
    assert "no result in time" in tools(talker)[0]
    assert prompt(talker)[-1] == ("user", "Well?")
