"""Answers that a client asks for, instead of leaving it to the conversation when to answer."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Failure,
    Item,
    Outcome,
    Policy,
    Refusal,
    Speaker,
    Stage,
    Transcript,
    Usage,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.talker import Talker
from tests.unit.conversation.wishing import ASKED, CALL, refused, responding, say, wish

# --- what nobody answers ----------------------------------------------------------------------------------


def test_what_is_said_is_kept_and_not_answered_unless_asked_for() -> None:
    driver = Driver(ASKED)
    say(driver, "I am Ada.")
    assert outcomes(driver) == [Outcome.HEARD]
    assert driver.all(c.Generate) == driver.all(c.TellResponding) == []
    say(driver, "Who am I?")
    wish(driver)
    assert prompt(driver) == [("user", "I am Ada. Who am I?")]
    assert responding(driver) == [(3, 1)]


def test_no_answer_is_begun_ahead_that_may_never_be_asked_for() -> None:
    talker = Talker(ASKED)
    talker.pause("Why?")
    assert talker.all(c.Generate) == []


def test_two_utterances_may_wait_for_their_transcripts_at_once() -> None:
    driver = Driver(ASKED)
    driver.speak(1.0)
    driver.hear(0.6)
    driver.speak(1.0)
    driver.hear(0.6)
    first, second = (opened.ref for opened in driver.all(c.Transcribe))
    driver.tell(e.FinalHeard(second, Transcript("two")))
    driver.tell(e.FinalHeard(first, Transcript("one")))
    assert [told.turn for told in driver.all(c.TellTranscript)] == [2, 1]
    wish(driver)
    assert prompt(driver) == [("user", "one two")]


def test_a_transcript_that_fails_fails_its_turn_alone() -> None:
    driver = Driver(ASKED)
    driver.speak(1.0)
    driver.hear(0.6)
    gone = Failure(Stage.STT, 14, "gone")
    driver.tell(e.StageFailed(driver.ref(), gone))
    assert len(driver.all(c.TellUnheard)) == 1
    assert outcomes(driver) == [Outcome.FAILED]
    say(driver, "Again.")
    assert outcomes(driver) == [Outcome.FAILED, Outcome.HEARD]


# --- when a wish is fulfilled -----------------------------------------------------------------------------


def test_a_wish_is_fulfilled_at_once_where_nobody_speaks() -> None:
    driver = Driver(ASKED)
    driver.tell(e.TextSaid("Why?", respond=False))
    wish(driver)
    assert responding(driver) == [(1, 1)]
    assert [asked.wish for asked in driver.all(c.Generate)] == [1]
    driver.answer(driver.ref(), "Because.", 1.0)
    driver.wait(2.0)
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_a_wish_waits_for_the_transcript_of_what_was_said_and_is_measured_from_there() -> (
    None
):
    driver = Driver(ASKED)
    driver.speak(1.0)
    driver.hear(0.6)
    wish(driver)
    assert responding(driver) == []
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    assert responding(driver) == [(1, 1)]
    assert prompt(driver) == [("user", "Why?")]
    driver.answer(driver.ref(), "Because.", 1.0)
    driver.wait(2.0)
    (ended,) = driver.all(c.TellTurnEnded)
    assert ended.waterfall is not None


def test_what_was_understood_before_the_wish_came_is_measured_up_to_there() -> None:
    driver = Driver(ASKED)
    say(driver, "Why?")
    driver.wait(2.0)
    wish(driver)
    driver.answer(driver.ref(), "Because.", 1.0)
    driver.wait(2.0)
    waterfall = driver.all(c.TellTurnEnded)[-1].waterfall
    assert waterfall is not None
    # 0.6 s of silence, and the client's two seconds.
    assert waterfall.endpointing == pytest.approx(2.6, abs=0.05)
    assert waterfall.stt == waterfall.saved == 0


def test_a_second_wish_answers_nothing_that_was_just_said() -> None:
    driver = Driver(ASKED)
    say(driver, "Why?")
    for _ in range(2):
        wish(driver)
        driver.answer(driver.ref(), "Because.", 1.0)
        driver.wait(2.0)
    assert [bool(told.waterfall) for told in driver.all(c.TellTurnEnded)] == [
        False,
        True,
        False,
    ]


def test_a_wish_for_words_that_nobody_could_make_out_fails() -> None:
    driver = Driver(ASKED)
    driver.speak(1.0)
    driver.hear(0.6)
    wish(driver)
    driver.tell(e.StageFailed(driver.ref(), Failure(Stage.STT, 14, "gone")))
    assert responding(driver) == [(1, 1)]
    assert outcomes(driver) == [Outcome.FAILED]


def test_a_wish_while_the_user_speaks_is_for_the_turn_that_they_make() -> None:
    driver = Driver(ASKED)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(0.5)
    wish(driver)
    assert responding(driver) == []
    driver.tell(e.SpeechPaused(driver.position))
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    assert responding(driver) == [(1, 1)]


@pytest.mark.parametrize("respond", [True, False])
def test_a_wish_while_there_is_but_noise_is_fulfilled_when_that_is_clear(
    respond: bool,
) -> None:
    driver = Driver(Policy(respond=respond))
    driver.tell(e.TextSaid("Why?", respond=False))
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(0.5)
    wish(driver)
    driver.tell(e.SpeechPaused(driver.position))
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("")))
    assert outcomes(driver) == [Outcome.EMPTY]
    assert responding(driver) == [(2, 1)]


def test_a_draft_makes_way_for_the_answer_that_was_asked_for() -> None:
    talker = Talker()
    talker.pause("Why?")
    draft = talker.draft()
    wish(talker, instructions="Be short.")
    assert c.CancelReply(draft) in talker.done
    talker.hear(0.4)
    assert responding(talker) == [(1, 1)]
    assert talker.all(c.Generate)[-1].messages[0].text == "Be short."


def test_a_wish_whose_words_were_not_all_is_for_all_of_them() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.5)
    wish(driver)
    driver.speak(1.0)
    assert responding(driver) == []
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("All of it.")))
    assert responding(driver) == [(2, 1)]


# --- when it is refused -----------------------------------------------------------------------------------


def test_a_wish_during_an_answer_is_refused_and_changes_nothing() -> None:
    driver = Driver()
    driver.answer(driver.ask(), "x" * 50, 5.0)
    wish(driver)
    assert refused(driver) == [Refusal.ANSWERING]
    driver.wait(6.0)
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_of_two_wishes_the_second_is_refused() -> None:
    driver = Driver(ASKED)
    driver.speak(1.0)
    driver.hear(0.6)
    wish(driver, 1)
    wish(driver, 2)
    assert refused(driver) == [Refusal.ANSWERING]
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    assert responding(driver) == [(1, 1)]


def calling(driver: Driver) -> None:
    """An answer is heard that has called a tool."""
    ref = driver.ask("What time is it?")
    driver.tell(e.TextWritten(ref, "One moment."))
    driver.tell(e.ToolCalled(ref, CALL))
    driver.tell(e.ReplyWritten(ref, Usage()))
    driver.tell(e.AudioSpoken(ref, 0.0, 1.0, b"sound"))
    driver.tell(e.ReplySpoken(ref))


def test_a_wish_to_go_on_with_all_results_waits_for_the_answer_to_be_over() -> None:
    driver = Driver(Policy(go_on=False))
    calling(driver)
    result = Item("", Speaker.TOOL, "noon", call_id="call_1")
    driver.tell(e.ItemCreated(result))
    wish(driver)
    assert refused(driver) == []
    assert len(responding(driver)) == 1
    driver.wait(2.0)
    assert outcomes(driver) == [Outcome.TOOL_CALLS]
    assert responding(driver)[-1] == (2, 1)
    assert prompt(driver)[-1] == ("tool", "noon")


def test_a_wish_to_go_on_without_the_results_is_refused_during_the_answer() -> None:
    driver = Driver(Policy(go_on=False))
    calling(driver)
    wish(driver)
    assert refused(driver) == [Refusal.ANSWERING]


def test_complete_results_wait_for_a_wish_where_the_client_wants_it_so() -> None:
    driver = Driver(Policy(go_on=False))
    calling(driver)
    driver.wait(2.0)
    driver.tell(e.ItemCreated(Item("", Speaker.TOOL, "noon", call_id="call_1")))
    driver.wait(100.0)
    assert len(driver.all(c.Generate)) == 1
    wish(driver)
    assert prompt(driver)[-1] == ("tool", "noon")


# --- how it is made ---------------------------------------------------------------------------------------


def test_a_wish_may_bring_all_that_the_model_reads() -> None:
    driver = Driver(ASKED)
    say(driver, "A secret.")
    items = (Item("own", Speaker.USER, "Say yes or no."),)
    wish(driver, instructions="", items=items)
    messages = driver.all(c.Generate)[-1].messages
    assert [message.text for message in messages] == ["Say yes or no."]


def test_a_wish_may_be_for_text_in_a_spoken_conversation() -> None:
    driver = Driver(ASKED)
    wish(driver, spoken=False)
    ref = driver.ref()
    driver.tell(e.TextWritten(ref, "Because."))
    driver.tell(e.ReplyWritten(ref, Usage()))
    assert driver.all(c.Speak) == []
    assert outcomes(driver) == [Outcome.ANSWERED]


def test_a_wish_may_be_for_speech_in_a_conversation_of_text() -> None:
    driver = Driver(Policy(respond=False, spoken=False))
    wish(driver, spoken=True)
    driver.answer(driver.ref(), "Because.", 1.0)
    driver.wait(2.0)
    assert len(driver.all(c.TellAudio)) > 0
    assert outcomes(driver) == [Outcome.ANSWERED]


# --- what a noise stops -----------------------------------------------------------------------------------


def test_what_a_noise_stopped_before_its_first_sound_is_made_anew_as_it_was_asked_for() -> (
    None
):
    driver = Driver()
    wish(driver, instructions="Greet in French.")
    driver.speak(0.3)
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.all(c.Transcribe)[-1].ref, Transcript("")))
    again = driver.all(c.Generate)[-1]
    assert (again.wish, again.messages[0].text) == (0, "Greet in French.")
    assert responding(driver) == [(1, 1), (3, 0)]


def test_words_that_stopped_an_answer_are_answered_in_the_usual_way() -> None:
    driver = Driver()
    wish(driver, instructions="Greet in French.")
    say(driver, "Why?")
    assert driver.all(c.Generate)[-1].messages[0].text == "Be kind."


# --- tools ------------------------------------------------------------------------------------------------


def test_results_are_given_up_in_time_though_the_client_had_something_said_meanwhile() -> (
    None
):
    driver = Driver(Policy(tool_timeout=10.0))
    driver.tell(e.TextSaid("Why?", respond=True))
    driver.tell(e.ToolCalled(driver.ref(), CALL))
    driver.tell(e.ReplyWritten(driver.ref(), Usage()))
    wish(driver)
    driver.answer(driver.ref(), "One moment.", 1.0)
    driver.wait(8.0)
    assert outcomes(driver) == [Outcome.TOOL_CALLS, Outcome.ANSWERED]
    driver.wait(3.0)
    assert responding(driver) == [(1, 0), (2, 1), (3, 0)]
