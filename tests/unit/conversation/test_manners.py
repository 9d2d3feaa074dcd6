"""How a conversation is held, where it is not the usual way: text alone, answers that are listened into, other manners."""

from dataclasses import replace

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Endpointing,
    Idle,
    Initiative,
    Interrupt,
    Outcome,
    Policy,
    Speculated,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
    Wish,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.talker import Talker

TEXT = Policy(spoken=False)
LISTEN = Policy(turns=TurnTaking(interrupt=Interrupt.LISTEN))
CALL = ToolCall("call_1", "clock", "{}")


# --- text alone -------------------------------------------------------------------------------------------


def test_an_answer_in_text_is_over_when_it_is_written() -> None:
    driver = Driver(TEXT)
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "Because."))
    assert outcomes(driver) == []
    driver.tell(e.ReplyWritten(ref, Usage()))
    (ended,) = driver.all(c.TellTurnEnded)
    assert (ended.outcome, ended.heard_text) == (Outcome.ANSWERED, "Because.")
    assert ended.waterfall is None
    assert driver.all(c.Speak) == driver.all(c.FinishSpeaking) == []


def test_a_draft_in_text_leaves_as_soon_as_it_has_a_word() -> None:
    talker = Talker(replace(TEXT, turns=TurnTaking(Endpointing.PREDICTED)))
    talker.pause("Why?", 0.98)
    talker.tell(e.TextWritten(talker.draft(), "Be"))
    talker.hear(0.7)
    assert [told.text for told in talker.all(c.TellText)] == ["Be"]


def test_of_an_answer_in_text_that_is_cut_all_that_was_told_is_kept() -> None:
    driver = Driver(TEXT)
    driver.tell(e.TextWritten(driver.ask("Why?"), "Because of"))
    driver.tell(e.ReplyCancelled())
    (ended,) = driver.all(c.TellTurnEnded)
    assert (ended.outcome, ended.heard_text) == (Outcome.CANCELLED, "Because of")
    assert driver.all(c.TellInterrupted) == []
    driver.ask("Well?")
    assert prompt(driver)[1] == ("assistant", "Because of")


def test_an_answer_in_text_without_words_is_empty() -> None:
    driver = Driver(TEXT)
    driver.tell(e.ReplyWritten(driver.ask(), Usage()))
    assert outcomes(driver) == [Outcome.EMPTY]


def test_a_model_that_hangs_fails_an_answer_in_text() -> None:
    driver = Driver(TEXT)
    driver.tell(e.TextWritten(driver.ask(), "Because"))
    driver.wait(driver.policy.llm_timeout + 1.0)
    assert outcomes(driver) == [Outcome.FAILED]


def test_what_is_said_of_its_own_accord_is_text_too() -> None:
    driver = Driver(replace(TEXT, greeting=Initiative(say="Hello.")))
    assert [told.text for told in driver.all(c.TellText)] == ["Hello."]
    assert driver.all(c.Speak) == []
    assert outcomes(driver) == [Outcome.ANSWERED]


# --- listening into an answer -----------------------------------------------------------------------------


def listened_into(text: str) -> Talker:
    """Somebody says something into an answer that goes on."""
    talker = Talker(LISTEN)
    talker.answering()
    talker.speak(1.2)
    talker.hear(0.2)
    talker.understood(text)
    talker.hear(0.4)
    return talker


def test_what_is_said_into_an_answer_becomes_an_item_and_the_answer_goes_on() -> None:
    talker = listened_into("I knew that already.")
    assert talker.all(c.TellInterrupted) == talker.all(c.TellDucked) == []
    assert [t.transcript.text for t in talker.all(c.TellTranscript)] == [
        "Why?",
        "I knew that already.",
    ]
    assert outcomes(talker) == [Outcome.HEARD]
    talker.wait(10.0)
    assert outcomes(talker) == [Outcome.HEARD, Outcome.ANSWERED]
    assert len(talker.all(c.TellResponding)) == 1
    started, committed = (
        talker.all(c.TellSpeechStarted)[-1],
        talker.all(c.TellCommitted)[-1],
    )
    assert started.item == committed.item


def test_a_backchannel_into_an_answer_that_goes_on_is_nothing() -> None:
    talker = listened_into("Mm-hmm.")
    assert len(talker.all(c.TellCommitted)) == 1
    assert len(talker.all(c.TellSpeechStarted)) == 1


def test_who_still_speaks_when_the_answer_ends_is_answered() -> None:
    talker = Talker(LISTEN)
    talker.answer(talker.ask(), "x" * 10, 1.0)
    talker.hear(0.5)
    talker.speak(2.0)
    assert outcomes(talker) == [Outcome.ANSWERED]
    talker.hear(0.6)
    talker.tell(e.FinalHeard(talker.utterance(), Transcript("And then?")))
    assert [told.turn for told in talker.all(c.TellResponding)] == [1, 2]


def test_what_is_said_into_an_answer_does_not_call_off_its_tools() -> None:
    talker = Talker(LISTEN)
    ref = talker.ask("What time is it?")
    talker.tell(e.ToolCalled(ref, CALL))
    talker.write(ref, "One moment.")
    talker.sound(ref, 5.0)
    talker.tell(e.ReplySpoken(ref))
    talker.hear(1.0)
    talker.speak(1.0)
    talker.hear(0.2)
    talker.understood("In Paris.")
    talker.hear(0.3)
    assert outcomes(talker) == [Outcome.HEARD]
    talker.tell(e.ToolReturned("call_1", "noon"))
    talker.wait(6.0)
    assert outcomes(talker) == [Outcome.HEARD, Outcome.TOOL_CALLS]
    assert "noon" in [text for _, text in prompt(talker)]


def test_what_was_not_understood_yet_when_the_next_words_came_is_answered_with_them() -> (
    None
):
    talker = Talker(LISTEN)
    talker.answer(talker.ask(), "x" * 20, 2.0)
    talker.hear(0.5)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(0.5)
    aside = talker.utterance()
    talker.tell(e.PartialHeard(aside, "Wait a minute", 4))
    talker.tell(e.Committed())
    talker.hear(2.0)
    assert outcomes(talker) == [Outcome.ANSWERED]
    talker.tell(e.SpeechPaused(talker.position))
    later = talker.ask("What was that?")
    assert later is not None
    talker.tell(e.FinalHeard(aside, Transcript("Wait a minute.")))
    assert prompt(talker)[-1] == ("user", "Wait a minute. What was that?")


# --- another manner ---------------------------------------------------------------------------------------


def change(driver: Driver, instructions: str = "Be brief.", **policy: object) -> None:
    driver.policy = replace(driver.policy, **policy)  # type: ignore[arg-type]
    driver.tell(e.MannerChanged(driver.policy, instructions))


def test_instructions_hold_from_the_next_prompt_on() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "Because.", 1.0)
    change(driver)
    driver.wait(2.0)
    assert outcomes(driver) == [Outcome.ANSWERED]
    driver.ask()
    assert driver.all(c.Generate)[-1].messages[0].text == "Be brief."


def test_a_draft_of_the_old_manner_is_made_anew() -> None:
    talker = Talker()
    talker.pause("Why?")
    old = talker.draft()
    change(talker)
    assert talker.speculated() == [Speculated.SUPERSEDED]
    assert talker.draft() != old
    assert talker.all(c.Generate)[-1].messages[0].text == "Be brief."


def test_an_answer_in_progress_is_spoken_to_its_end_where_the_next_is_text() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "Because.", 1.0)
    change(driver, spoken=False)
    driver.wait(2.0)
    (ended,) = driver.all(c.TellTurnEnded)
    assert ended.heard_text == "Because."
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "Because."))
    assert driver.all(c.Speak)[-1].ref != ref


def test_turns_are_taken_otherwise_at_once() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.2)
    change(driver, turns=TurnTaking(endpointing=Endpointing.MANUAL))
    driver.hear(2.0)
    assert driver.all(c.TellCommitted) == []
    driver.tell(e.Committed())
    assert len(driver.all(c.TellCommitted)) == 1


def test_answers_are_not_given_any_more_unless_asked_for() -> None:
    talker = Talker()
    talker.pause("Why?")
    change(talker, respond=False)
    assert talker.speculated() == [Speculated.SUPERSEDED]
    talker.hear(0.5)
    assert outcomes(talker) == [Outcome.HEARD]


def test_audio_from_before_is_not_committed_that_may_be_forgotten_already() -> None:
    driver = Driver()
    driver.hear(30.0)
    needed = driver.core.needed_from
    change(driver, turns=TurnTaking(endpointing=Endpointing.MANUAL), buffered=True)
    driver.hear(1.0)
    driver.tell(e.Committed())
    (opened,) = driver.all(c.Transcribe)
    assert opened.start >= needed


def test_a_silent_user_is_prompted_from_then_on() -> None:
    driver = Driver()
    change(driver, idle=Idle(5.0, Initiative(say="Still there?")))
    driver.hear(6.0)
    (idle,) = driver.all(c.TellIdle)
    assert idle.end - idle.start >= 4.9
    assert [speak.text for speak in driver.all(c.Speak)] == ["Still there?"]
    told = [
        type(command)
        for command in driver.done
        if isinstance(command, c.TellIdle | c.TellResponding | c.TellReplyStarted)
    ]
    assert told == [c.TellIdle, c.TellResponding, c.TellReplyStarted]
    item = driver.core.item(idle.item)
    assert item is not None


def test_what_was_said_while_nobody_was_prompted_ends_a_silence_too() -> None:
    prompting = Policy(idle=Idle(5.0, Initiative(say="Still there?")))
    driver = Driver(prompting)
    driver.wait(3.0)
    driver.tell(e.MannerChanged(replace(prompting, idle=None), ""))
    driver.tell(e.Respond(Wish(1)))
    driver.answer(driver.ref(), "Hello.", 3.0)
    driver.wait(4.0)
    driver.tell(e.MannerChanged(prompting, ""))
    driver.wait(4.0)
    assert driver.all(c.TellIdle) == []
    driver.wait(2.0)
    assert len(driver.all(c.TellIdle)) == 1
