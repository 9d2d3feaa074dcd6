"""Somebody speaks into an answer: how tests come there, and what they ask of it."""

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Interrupt,
    Outcome,
    Policy,
    State,
    TurnTaking,
)
from tests.unit.conversation.driver import outcomes
from tests.unit.conversation.talker import Talker, kinds

LISTENING = [Interrupt.SPEECH, Interrupt.WORDS]
"""Policies that listen before they stop an answer."""


def policy(interrupt: Interrupt, **fields: object) -> Policy:
    return Policy(turns=TurnTaking(interrupt=interrupt), **fields)  # type: ignore[arg-type]


def answering(interrupt: Interrupt = Interrupt.SPEECH) -> Talker:
    """Five seconds of answer, a second of which has been heard."""
    talker = Talker(policy(interrupt))
    talker.answering()
    return talker


def aside(interrupt: Interrupt = Interrupt.SPEECH, seconds: float = 0.3) -> Talker:
    """Somebody speaks into the answer, and it is not clear yet what that means."""
    talker = answering(interrupt)
    talker.tell(e.SpeechBegan(talker.position))
    talker.hear(seconds)
    assert ducks(talker) == [True]
    return talker


def paused(interrupt: Interrupt = Interrupt.SPEECH) -> Talker:
    """They have stopped, and the recognizer was asked what they said."""
    talker = aside(interrupt)
    talker.tell(e.SpeechPaused(talker.position))
    talker.hear(0.2)
    return talker


def ducks(talker: Talker) -> list[bool]:
    return [command.ducked for command in talker.all(c.TellDucked)]


def partial(talker: Talker, text: str) -> list[c.Command]:
    return talker.tell(e.PartialHeard(talker.utterance(), text, 0))


def assert_untouched(talker: Talker) -> None:
    """The answer goes on as loud as before, and nothing was said as far as anybody can tell."""
    assert ducks(talker) == [True, False]
    assert talker.all(c.CancelTranscribe) == [c.CancelTranscribe(talker.utterance())]
    assert len(talker.all(c.TellSpeechStarted)) == 1
    talker.hear(6.0)
    assert outcomes(talker) == [Outcome.ANSWERED]
    assert talker.core.turn == 1
    assert talker.core.state is State.LISTENING


def assert_interrupted(talker: Talker, done: list[c.Command]) -> None:
    """The answer is stopped at its stages and at the client's, and it is the user's turn."""
    wanted = [c.TellInterrupted, c.TellTurnEnded, c.CancelReply, c.TellSpeechStarted]
    assert [kind for kind in kinds(done) if kind in wanted] == wanted
    assert outcomes(talker) == [Outcome.INTERRUPTED]
    assert talker.all(c.CancelTranscribe) == []
    assert talker.core.state in (State.INTERRUPTED, State.POISED)
