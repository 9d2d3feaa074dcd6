"""What is said in a turn, as lines of its log: at debug level, and with words only where the settings let them in."""

from collections.abc import Mapping
from contextlib import nullcontext

from opentelemetry import trace

from gateway.conversation import commands as c
from gateway.observing.turn import TurnTrace
from services.runtime.logs import bound_contextvars, get_logger

log = get_logger(__name__)


def write(command: c.Command, turns: Mapping[int, TurnTrace]) -> None:
    """Write down what a command says, if it says anything.

    Args:
        command: about to be done.
        turns: that go on, by number.
    """
    match command:
        case c.TellTranscript(number, transcript):
            event, text = "heard", transcript.text
        case c.Speak(ref, text):
            number, event = ref.turn, "speaks"
        case c.TellTurnEnded(number, outcome, text):
            event = f"turn ended: {outcome.value}"
        case _:
            return
    turn = turns.get(number)
    current = nullcontext() if turn is None else trace.use_span(turn.root.span)
    with current, bound_contextvars(turn=number):
        log.debug(event, text=text)
