"""Rules of the contract that every service checks in the same way."""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace

from antiphon.v1.audio_pb2 import (
    AUDIO_ENCODING_PCM_S16LE,
    AUDIO_ENCODING_UNSPECIFIED,
    AudioFormat,
)
from antiphon.v1.stage_pb2 import TurnRef
from antiphon.v1.tts_pb2 import ReferenceAudio
from services.runtime.errors import EngineError, InvalidArgument
from services.runtime.logs import bound_contextvars, get_logger
from services.runtime.telemetry import names
from services.runtime.units import PCM_BYTES

log = get_logger(__name__)

LEAST_RATE, GREATEST_RATE = 8_000, 48_000
"""Hz."""

LONGEST_CHUNK = 10.0
"""Seconds of audio in one message."""

SHORTEST_REFERENCE, LONGEST_REFERENCE = 3.0, 30.0
"""Seconds of a voice to imitate."""
WANTED_REFERENCE = (
    f"{SHORTEST_REFERENCE:g} to {LONGEST_REFERENCE:g} seconds of one speaker, "
    "and in `transcript` what is said in them"
)
LONGEST_REFERENCE_TRANSCRIPT = 1_000
"""Characters. Nobody says more in half a minute."""
LONGEST_VOICE_INSTRUCTIONS = 1_000
"""Characters. They stand in front of every clause that the model is given."""

BUDGET_KEY = "antiphon-budget"
"""Of metadata: seconds in which the caller of a stage would like the first of what it asks for."""

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


def check_length(field: str, text: str, most: int) -> None:
    """Refuse a text of more characters.

    Raises:
        InvalidArgument: it is too long.
    """
    if len(text) > most:
        raise InvalidArgument(field, f"has {len(text)} characters", f"at most {most}")


def check_reference(field: str, reference: ReferenceAudio) -> int:
    """Refuse what is no example of a voice.

    Returns:
        Its sample rate, in Hz.

    Raises:
        InvalidArgument: no rate, half a sample, too short, too long, or a transcript that is.
    """
    if not reference.format.sample_rate:
        raise InvalidArgument(
            f"{field}.format.sample_rate",
            "is missing",
            f"{LEAST_RATE} to {GREATEST_RATE}",
        )
    rate = sample_rate(f"{field}.format", reference.format, LEAST_RATE)
    if len(reference.samples) % PCM_BYTES:
        raise InvalidArgument(
            f"{field}.samples", "has half a sample", "an even number of bytes"
        )
    seconds = len(reference.samples) / PCM_BYTES / rate
    if not SHORTEST_REFERENCE <= seconds <= LONGEST_REFERENCE:
        raise InvalidArgument(
            f"{field}.samples", f"is {seconds:.1f} s long", WANTED_REFERENCE
        )
    check_length(
        f"{field}.transcript", reference.transcript, LONGEST_REFERENCE_TRANSCRIPT
    )
    return rate


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


def budget_metadata(seconds: float) -> tuple[str, str]:
    """What is left of a turn's budget, for the metadata of an RPC."""
    return BUDGET_KEY, f"{seconds:.3f}"


def read_budget(metadata: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Seconds of budget that an RPC brought along; None where it brought none.

    Raises:
        InvalidArgument: it is no such number.
    """
    said = next((value for key, value in metadata if key == BUDGET_KEY), None)
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InvalidArgument(
            f"metadata {BUDGET_KEY}", f"is {said!r}", "seconds, 0 or more"
        )
    return seconds


@contextmanager
def working_for(turn: TurnRef, engine: str = "") -> Iterator[None]:
    """Name the turn on this RPC's span and in its logs.

    An engine works for many at once, and what it logs names nobody: whose work failed with it is logged here.

    Args:
        turn: as the caller named it; it may be none.
        engine: that does the work; empty where there is none.
    """
    span = trace.get_current_span()
    if engine:
        span.set_attribute(names.ENGINE, engine)
    known: dict[str, str | int] = {}
    if turn.conversation_id:
        known = {
            "conversation": turn.conversation_id,
            "turn": turn.turn,
            "revision": turn.revision,
        }
        span.set_attribute(names.CONVERSATION_ID, turn.conversation_id)
        span.set_attribute(names.TURN, turn.turn)
        span.set_attribute(names.REVISION, turn.revision)
    with bound_contextvars(**known):
        try:
            yield
        except EngineError as error:
            log.error("work failed", engine=engine, reason=error.message)
            raise
