"""What a client is told of a turn, in which order, and which items it names."""

import pytest

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Failure,
    Finish,
    Interrupt,
    Outcome,
    Policy,
    Speaker,
    Stage,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.driver import Driver, outcomes
from tests.unit.conversation.talker import Talker, kinds, ready

GONE = Failure(Stage.STT, 14, "gone")
CALL = ToolCall("call_1", "clock", "{}")


def notices(driver: Driver) -> list[type[c.Command]]:
    """What the client was told, but for audio and what goes to the stages."""
    told = [
        command
        for command in driver.done
        if isinstance(command, c.Notice) and not isinstance(command, c.TellAudio)
    ]
    return kinds(told)


def committed(driver: Driver) -> list[str]:
    return [command.item for command in driver.all(c.TellCommitted)]


def test_a_spoken_turn_is_told_from_the_first_voice_to_its_end() -> None:
    driver = Driver()
    driver.answer(driver.ask("Why?"), "Hm.", 0.5)
    driver.wait(1.0)
    assert notices(driver) == [
        c.TellSpeechStarted,
        c.TellSpeechStopped,
        c.TellCommitted,
        c.TellTranscript,
        c.TellResponding,
        c.TellReplyStarted,
        c.TellText,
        c.TellTurnEnded,
    ]


def test_a_draft_that_leaves_is_told_in_the_same_order() -> None:
    talker = ready()
    talker.hear(0.3)
    assert notices(talker)[2:] == [
        c.TellCommitted,
        c.TellTranscript,
        c.TellResponding,
        c.TellReplyStarted,
        c.TellText,
    ]


def test_an_utterance_is_one_item_through_all_its_pauses() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.25)
    driver.speak(1.0)
    driver.hear(0.6)
    (item,) = {started.item for started in driver.all(c.TellSpeechStarted)}
    assert len(driver.all(c.TellSpeechStarted)) == 2
    assert committed(driver) == [item]
    driver.tell(e.FinalHeard(driver.ref(), Transcript("Why?")))
    assert [told.item for told in driver.all(c.TellTranscript)] == [item]
    kept = driver.core.item(item)
    assert kept is not None
    assert (kept.speaker, kept.text, kept.spoken) == (Speaker.USER, "Why?", True)


def test_an_item_spans_what_was_said() -> None:
    driver = Driver()
    driver.hear(1.0)
    began = driver.position
    driver.speak(1.0)
    ended = driver.position
    driver.hear(0.6)
    (told,) = driver.all(c.TellCommitted)
    assert (told.start, told.end) == pytest.approx((began, ended))


def test_items_stand_behind_one_another() -> None:
    driver = Driver()
    driver.answer(driver.ask("Why?"), "Hm.", 0.5)
    driver.wait(1.0)
    driver.ask("Why though?")
    first, second = driver.all(c.TellCommitted)
    (reply,) = driver.all(c.TellReplyStarted)
    assert first.after is None
    assert (reply.after, second.after) == (first.item, reply.item)


def test_what_is_said_stands_in_the_history_before_it_is_understood() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.6)
    (item,) = committed(driver)
    kept = driver.core.item(item)
    assert kept is not None
    assert kept.text == ""


def test_a_call_of_a_tool_is_an_item_behind_the_text_that_came_with_it() -> None:
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "One moment."))
    driver.tell(e.ToolCalled(ref, CALL))
    (reply,), (call,) = driver.all(c.TellReplyStarted), driver.all(c.TellToolCall)
    assert call.after == reply.item
    kept = driver.core.item(call.item)
    assert kept is not None
    assert kept.call == CALL


def test_an_answer_of_calls_alone_has_no_item_of_text() -> None:
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.ToolCalled(ref, CALL))
    (reply,), (call,) = driver.all(c.TellReplyStarted), driver.all(c.TellToolCall)
    assert call.after == committed(driver)[0]
    assert driver.core.item(reply.item) is None


def test_speech_is_told_to_begin_only_after_what_it_interrupted_has_ended() -> None:
    driver = Driver(Policy(turns=TurnTaking(interrupt=Interrupt.ALWAYS)))
    driver.answer(driver.ask(), "x" * 50, 5.0)
    driver.hear(1.0)
    before = len(notices(driver))
    driver.speak(0.5)
    assert notices(driver)[before:] == [
        c.TellInterrupted,
        c.TellTurnEnded,
        c.TellSpeechStarted,
    ]


def test_a_recognizer_that_fails_leaves_an_item_without_text_and_nobody_answers() -> (
    None
):
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.6)
    driver.tell(e.StageFailed(driver.ref(), GONE))
    (unheard,) = driver.all(c.TellUnheard)
    assert (unheard.item, unheard.failure) == (committed(driver)[0], GONE)
    assert outcomes(driver) == [Outcome.FAILED]
    assert driver.all(c.TellResponding) == []


def test_a_recognizer_that_hangs_is_told_as_one_that_fails() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.6)
    driver.wait(driver.policy.stt_timeout + 1.0)
    assert len(driver.all(c.TellUnheard)) == 1
    assert outcomes(driver) == [Outcome.FAILED]


def test_words_that_mean_nothing_are_not_answered() -> None:
    driver = Driver()
    driver.ask("  ")
    assert outcomes(driver) == [Outcome.EMPTY]
    assert driver.all(c.TellResponding) == []


def test_who_goes_on_before_they_were_understood_says_one_item() -> None:
    driver = Driver()
    driver.speak(1.0)
    driver.hear(0.5)
    driver.speak(1.0)
    first = committed(driver)[0]
    assert driver.all(c.TellItemDeleted) == [c.TellItemDeleted(first)]
    assert driver.core.item(first) is None
    driver.hear(0.6)
    driver.tell(e.FinalHeard(driver.ref(), Transcript("All of it.")))
    (said,) = driver.all(c.TellTranscript)
    assert said.item == committed(driver)[1]


@pytest.mark.parametrize("finish", list(Finish))
def test_the_end_of_a_turn_says_why_the_model_stopped(finish: Finish) -> None:
    driver = Driver()
    ref = driver.ask()
    driver.tell(e.TextWritten(ref, "Because"))
    driver.tell(e.ReplyWritten(ref, Usage(), finish))
    driver.tell(e.ReplySpoken(ref))
    (ended,) = driver.all(c.TellTurnEnded)
    assert ended.finish is finish


def test_partials_name_the_item_that_they_will_become() -> None:
    talker = Talker(Policy(partials=True))
    talker.speak(1.0)
    talker.tell(e.PartialHeard(talker.utterance(), "What I", 4))
    (partial,), (started,) = (
        talker.all(c.TellPartial),
        talker.all(c.TellSpeechStarted),
    )
    assert partial.item == started.item
