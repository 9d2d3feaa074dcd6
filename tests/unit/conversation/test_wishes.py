"""Answers that a client asks for, instead of leaving it to the conversation when to answer."""

from dataclasses import replace

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.listening import MOST_AWAITED
from gateway.conversation.values import (
    Ending,
    Endpointing,
    Failure,
    Interrupt,
    Item,
    Outcome,
    Policy,
    Refusal,
    Speaker,
    Stage,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
    Wish,
)
from tests.unit.conversation.driver import Driver, outcomes, prompt
from tests.unit.conversation.talker import Talker

ASKED = Policy(respond=False, go_on=False)
PUSH_TO_TALK = Policy(
    turns=TurnTaking(endpointing=Endpointing.MANUAL, interrupt=Interrupt.NEVER),
    respond=False,
    go_on=False,
    buffered=True,
)
CALL = ToolCall("call_1", "clock", "{}")


def wish(driver: Driver, key: int = 1, **how: object) -> list[c.Command]:
    return driver.tell(e.Respond(Wish(key, **how)))  # type: ignore[arg-type]


def responding(driver: Driver) -> list[tuple[int, int]]:
    """Turns that were announced, and the wishes that they fulfil."""
    return [(told.turn, told.wish) for told in driver.all(c.TellResponding)]


def refused(driver: Driver) -> list[Refusal]:
    return [refuse.why for refuse in driver.all(c.Refuse)]


def say(driver: Driver, text: str) -> None:
    """A whole utterance, understood; who answers it is another matter."""
    driver.speak(1.0)
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.all(c.Transcribe)[-1].ref, Transcript(text)))


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


# --- push to talk -----------------------------------------------------------------------------------------


def test_a_commit_takes_all_audio_since_the_last_one_voice_or_not() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.hear(1.0)
    driver.tell(e.Committed())
    (first,) = driver.all(c.TellCommitted)
    assert (first.start, first.end) == pytest.approx((0.0, 1.0), abs=0.04)
    driver.hear(0.5)
    driver.speak(1.0)
    driver.hear(0.5)
    driver.tell(e.Committed())
    transcribed = driver.all(c.Transcribe)[-1]
    assert transcribed.start == pytest.approx(first.end, abs=0.04)


def test_a_commit_of_next_to_nothing_is_refused() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.tell(e.Committed())
    assert refused(driver) == [Refusal.NOTHING_HEARD]
    driver.hear(1.0)
    driver.tell(e.Cleared())
    driver.tell(e.Committed())
    assert refused(driver) == [Refusal.NOTHING_HEARD] * 2
    assert driver.all(c.TellCommitted) == []


def test_no_more_utterances_wait_for_a_recognizer_than_a_few_and_no_audio_is_lost() -> (
    None
):
    driver = Driver(PUSH_TO_TALK)
    for _ in range(MOST_AWAITED + 1):
        driver.hear(0.5)
        driver.tell(e.Committed())
    assert refused(driver) == [Refusal.TOO_MANY]
    opened = driver.all(c.Transcribe)
    assert len(opened) == MOST_AWAITED
    driver.tell(e.FinalHeard(opened[0].ref, Transcript("Well.")))
    driver.tell(e.Committed())
    assert driver.all(c.TellCommitted)[-1].start == pytest.approx(
        MOST_AWAITED * 0.5, abs=0.1
    )


def test_audio_that_may_be_committed_is_kept_up_to_the_longest_utterance() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.hear(20.0)
    assert driver.core.needed_from <= 0.0
    driver.hear(60.0)
    longest = driver.policy.longest_utterance
    assert driver.core.needed_from == pytest.approx(
        driver.position - longest, abs=driver.policy.preroll + 0.04
    )


def test_to_talk_while_an_answer_is_given_stops_nothing_and_can_be_committed() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.hear(1.0)
    driver.tell(e.Committed())
    wish(driver)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    driver.answer(driver.ref(), "x" * 50, 5.0)
    driver.speak(1.0)
    driver.tell(e.Committed())
    assert driver.all(c.TellInterrupted) == []
    driver.tell(e.FinalHeard(driver.all(c.Transcribe)[-1].ref, Transcript("And?")))
    assert outcomes(driver) == [Outcome.HEARD]
    driver.wait(6.0)
    assert outcomes(driver) == [Outcome.HEARD, Outcome.ANSWERED]


def test_a_wish_does_not_wait_for_who_has_not_committed_what_they_say() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(1.0)
    wish(driver)
    assert responding(driver) == [(1, 1)]
    driver.tell(e.ReplyCancelled())
    driver.tell(e.Committed())
    (told,) = driver.all(c.TellCommitted)
    assert told.start == 0.0


def test_a_wish_that_waits_for_two_transcripts_is_not_held_up_by_an_open_microphone() -> (
    None
):
    driver = Driver(PUSH_TO_TALK)
    for _ in range(2):
        driver.hear(1.0)
        driver.tell(e.Committed())
    wish(driver)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(1.0)
    for transcribed, text in zip(driver.all(c.Transcribe), ("one", "two"), strict=True):
        driver.tell(e.FinalHeard(transcribed.ref, Transcript(text)))
    assert prompt(driver) == [("user", "one two")]
    assert responding(driver) == [(2, 1)]


def test_what_nobody_commits_is_no_turn_however_long_it_lasts() -> None:
    policy = replace(PUSH_TO_TALK, longest_utterance=5.0)
    driver = Driver(policy)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(12.0)
    assert driver.all(c.TellCommitted) == []
    (opened,) = driver.all(c.Transcribe)
    assert c.CancelTranscribe(opened.ref) in driver.done
    driver.tell(e.Committed())
    (told,) = driver.all(c.TellCommitted)
    assert told.end - told.start == pytest.approx(policy.longest_utterance, abs=0.04)
    driver.tell(e.SpeechPaused(driver.position))
    driver.speak(1.0)
    assert len(driver.all(c.Transcribe)) == 3


def test_of_a_voice_that_nobody_commits_no_more_is_kept_than_can_be_committed() -> None:
    policy = replace(PUSH_TO_TALK, longest_utterance=5.0)
    driver = Driver(policy)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(30.0)
    kept = driver.position - driver.core.needed_from
    assert kept <= policy.longest_utterance + policy.preroll + 0.04


def test_what_was_not_committed_by_the_end_is_no_turn() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.speak(1.0)
    driver.tell(e.InputEnded(Ending.DRAINING))
    assert driver.all(c.TellCommitted) == []
    assert [close.turns for close in driver.all(c.Close)] == [0]


def test_words_that_were_too_quiet_to_be_noticed_are_committed_too() -> None:
    driver = Driver(PUSH_TO_TALK)
    driver.speak(1.0)
    driver.hear(2.0)
    asked = driver.all(c.TakeCheckpoint)[-1]
    driver.tell(e.CheckpointHeard(asked.ref, asked.id, Transcript("Loud.")))
    done = driver.tell(e.Committed())
    assert c.ResumeTranscribe(asked.ref) in done
    driver.tell(e.FinalHeard(asked.ref, Transcript("Loud. And quiet.")))
    (told,) = driver.all(c.TellTranscript)
    assert told.transcript.text == "Loud. And quiet."


def test_what_was_said_into_an_answer_before_a_clear_is_not_heard_when_it_is_over() -> (
    None
):
    driver = Driver(PUSH_TO_TALK)
    wish(driver)
    driver.tell(e.SpeechBegan(driver.position))
    driver.hear(2.0)
    driver.tell(e.Cleared())
    cleared = driver.position
    driver.tell(e.ReplyCancelled())
    driver.hear(1.0)
    (told,) = driver.all(c.TellSpeechStarted)
    assert told.at == pytest.approx(cleared, abs=0.04)


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
