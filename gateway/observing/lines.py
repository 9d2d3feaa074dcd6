"""A turn in the log: who was late, and who failed it.

What is said in it is told at debug level, and with words only where the settings let them in.
"""

import logging
from collections.abc import Mapping
from contextlib import nullcontext

from opentelemetry import trace

from gateway.conversation import commands as c
from gateway.conversation.waterfall import SHARES
from gateway.observing.counting import code_name
from gateway.observing.turn import TurnTrace
from services.runtime.logs import bound_contextvars, get_logger

log = get_logger(__name__)


def write(command: c.Command, turns: Mapping[int, TurnTrace]) -> None:
    """Write down what a command says, if it says anything, and how a turn ended that did not end well.

    Args:
        command: about to be done.
        turns: that go on, by number.
    """
    match command:
        case c.TellTranscript(number, transcript):
            event, text = "heard", transcript.text
        # One for every word or so of an answer.
        case c.Speak(ref, text) if log.is_enabled_for(logging.DEBUG):
            number, event = ref.turn, "speaks"
        case c.TellTurnEnded(number, outcome, text):
            event = f"turn ended: {outcome.value}"
        case _:
            return
    turn = turns.get(number)
    current = nullcontext() if turn is None else trace.use_span(turn.root.span)
    with current, bound_contextvars(turn=number):
        log.debug(event, text=text)
        if isinstance(command, c.TellTurnEnded):
            _judge(command)


def _judge(ended: c.TellTurnEnded) -> None:
    if (failure := ended.failure) is not None:
        # Its message may be an upstream's, and have words in it.
        code = code_name(failure.code)
        log.warning("a turn failed", stage=failure.stage.value, code=code)
    if (waterfall := ended.waterfall) is not None and waterfall.overruns:
        took = (*SHARES, "saved", "total")
        seconds = {share: round(waterfall.share(share), 3) for share in took}
        log.info("a turn was late", overruns=waterfall.overruns, **seconds)
