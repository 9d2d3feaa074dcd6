"""Rules of the contract that every service checks in the same way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from antiphon.v1.audio_pb2 import (
    AUDIO_ENCODING_PCM_S16LE,
    AUDIO_ENCODING_UNSPECIFIED,
    AudioFormat,
)
from antiphon.v1.stage_pb2 import TurnRef
from services.runtime import telemetry
from services.runtime.errors import InvalidArgument
from services.runtime.logs import bound_contextvars
from services.runtime.units import PCM_BYTES

LEAST_RATE, GREATEST_RATE = 8_000, 48_000
"""Hz."""

LONGEST_CHUNK = 10.0
"""Seconds of audio in one message."""

_CONVERSATION_ID = re.compile(r"[A-Za-z0-9_.:-]{0,128}")
_ENCODINGS = (AUDIO_ENCODING_UNSPECIFIED, AUDIO_ENCODING_PCM_S16LE)


def sample_rate(field: str, audio_format: AudioFormat, default: int) -> int:
    """The rate that a format names, in Hz; ``default`` where it names none.

    Raises:
        InvalidArgument: the encoding or the rate is not allowed.
    """
    if audio_format.encoding not in _ENCODINGS:
        raise InvalidArgument(
            f"{field}.encoding",
            f"is {audio_format.encoding}",
            "AUDIO_ENCODING_PCM_S16LE",
        )
    rate = audio_format.sample_rate or default
    if not LEAST_RATE <= rate <= GREATEST_RATE:
        raise InvalidArgument(
            f"{field}.sample_rate",
            f"is {rate} Hz",
            f"{LEAST_RATE} to {GREATEST_RATE}, or 0 for {default}",
        )
    return rate


def check_samples(field: str, samples: bytes, rate: int) -> None:
    """Refuse what is no chunk of audio.

    Raises:
        InvalidArgument: half a sample, or too many of them.
    """
    if len(samples) % PCM_BYTES:
        raise InvalidArgument(
            field, f"has {len(samples)} bytes", "whole 16-bit samples"
        )
    seconds = len(samples) / PCM_BYTES / rate
    if seconds > LONGEST_CHUNK:
        raise InvalidArgument(
            field,
            f"holds {seconds:.1f} s",
            f"at most {LONGEST_CHUNK:g} s a message, 40-80 ms intended",
        )


def check_turn(field: str, turn: TurnRef) -> None:
    """Refuse a turn whose conversation id is none.

    Raises:
        InvalidArgument: it is too long, or has characters that it may not have.
    """
    if not _CONVERSATION_ID.fullmatch(turn.conversation_id):
        raise InvalidArgument(
            f"{field}.conversation_id",
            "is not an id",
            "at most 128 letters, digits, '-', '_', '.' and ':'",
        )


@contextmanager
def working_for(turn: TurnRef) -> Iterator[None]:
    """Name the turn on this RPC's span and in its logs."""
    if not turn.conversation_id:
        yield
        return
    attributes: dict[str, str | int] = {
        telemetry.CONVERSATION_ID: turn.conversation_id,
        telemetry.TURN: turn.turn,
        telemetry.REVISION: turn.revision,
    }
    trace.get_current_span().set_attributes(attributes)
    with bound_contextvars(
        conversation=turn.conversation_id, turn=turn.turn, revision=turn.revision
    ):
        yield
