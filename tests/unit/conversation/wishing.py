"""Clients that ask for answers, and what tests of them share."""

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Endpointing,
    Interrupt,
    Policy,
    Refusal,
    ToolCall,
    Transcript,
    TurnTaking,
    Wish,
)
from tests.unit.conversation.driver import Driver

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
