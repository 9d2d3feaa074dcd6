"""When it is whose turn: between the contract's words and the conversation's own."""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from antiphon.v1 import conversation_pb2 as pb
from gateway.conversation.endpointing import WAITS
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Interrupt,
    TurnTaking,
)
from services.runtime.errors import InvalidArgument
from services.runtime.units import to_duration, to_seconds

Choice = TypeVar("Choice", bound=Enum)

LONGEST_DURATION = 24 * 3600.0

_INTERRUPTS = {
    Interrupt.ALWAYS: pb.INTERRUPT_POLICY_ALWAYS,
    Interrupt.SPEECH: pb.INTERRUPT_POLICY_SPEECH,
    Interrupt.WORDS: pb.INTERRUPT_POLICY_WORDS,
    Interrupt.NEVER: pb.INTERRUPT_POLICY_NEVER,
    Interrupt.LISTEN: pb.INTERRUPT_POLICY_LISTEN,
}
_EAGERNESS = {
    Eagerness.LOW: pb.EAGERNESS_LOW,
    Eagerness.MEDIUM: pb.EAGERNESS_MEDIUM,
    Eagerness.HIGH: pb.EAGERNESS_HIGH,
    Eagerness.AUTO: pb.EAGERNESS_AUTO,
}


def seconds(
    field: str,
    duration: Duration,
    least: float = 0.0,
    most: float = LONGEST_DURATION,
) -> float:
    """A duration in seconds.

    Args:
        field: its name, for errors.
        duration: as it came.
        least: seconds that are allowed; never below 0.
        most: likewise.

    Raises:
        InvalidArgument: it is outside its range, or no duration at all.
    """
    value = to_seconds(duration)
    if not 0 <= duration.nanos < 10**9 or not least <= value <= most:
        raise InvalidArgument(field, f"is {value:g} s", f"{least:g} s to {most:g} s")
    return value


def to_turns(field: str, asked: pb.TurnTaking, default: TurnTaking) -> TurnTaking:
    """What a client asks for.

    Args:
        field: name of the message, for errors.
        asked: by the client.
        default: stands where the client says nothing.

    Raises:
        InvalidArgument: a field is not allowed to be what it is.
    """
    turns = replace(
        default,
        interrupt=_known(
            f"{field}.interrupt", asked.interrupt, _INTERRUPTS, default.interrupt
        ),
    )
    match asked.WhichOneof("endpointing"):
        case "manual":
            return replace(turns, endpointing=Endpointing.MANUAL)
        case "silence":
            silence = _within(
                f"{field}.silence.silence",
                asked.silence.silence if asked.silence.HasField("silence") else None,
                default.silence,
                longest=5.0,
            )
            return replace(turns, endpointing=Endpointing.SILENCE, silence=silence)
        case "predicted":
            return _predicted(f"{field}.predicted", asked.predicted, turns)
        case _:
            return turns


def _predicted(
    field: str, asked: pb.PredictedEndpointing, default: TurnTaking
) -> TurnTaking:
    eagerness = _known(
        f"{field}.eagerness", asked.eagerness, _EAGERNESS, default.eagerness
    )
    shortest, longest = (
        WAITS[eagerness] if asked.eagerness else (default.min_wait, default.max_wait)
    )
    max_wait = _within(
        f"{field}.max_wait",
        asked.max_wait if asked.HasField("max_wait") else None,
        longest,
        longest=10.0,
    )
    min_wait = _within(
        f"{field}.min_wait",
        asked.min_wait if asked.HasField("min_wait") else None,
        min(shortest, max_wait),
        longest=5.0,
    )
    if min_wait > max_wait:
        raise InvalidArgument(
            f"{field}.min_wait",
            f"is {min_wait:g} s",
            f"at most max_wait, {max_wait:g} s",
        )
    return replace(
        default,
        endpointing=Endpointing.PREDICTED,
        eagerness=eagerness,
        min_wait=min_wait,
        max_wait=max_wait,
    )


def to_message(turns: TurnTaking) -> pb.TurnTaking:
    """What is in force, with every default filled in."""
    message = pb.TurnTaking(interrupt=_INTERRUPTS[turns.interrupt])
    match turns.endpointing:
        case Endpointing.MANUAL:
            message.manual.SetInParent()
        case Endpointing.SILENCE:
            message.silence.silence.CopyFrom(to_duration(turns.silence))
        case Endpointing.PREDICTED:
            message.predicted.eagerness = _EAGERNESS[turns.eagerness]
            message.predicted.min_wait.CopyFrom(to_duration(turns.min_wait))
            message.predicted.max_wait.CopyFrom(to_duration(turns.max_wait))
    return message


def _known(
    field: str, asked: int, table: Mapping[Choice, int], default: Choice
) -> Choice:
    if not asked:
        return default
    for ours, theirs in table.items():
        if theirs == asked:
            return ours
    raise InvalidArgument(field, f"is {asked}", [choice.name for choice in table])


def _within(
    field: str, asked: Duration | None, default: float, longest: float
) -> float:
    if asked is None:
        return default
    return seconds(field, asked, least=0.1, most=longest)
