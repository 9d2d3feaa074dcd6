"""Reading the first message of a reply: everything that can be wrong with it is told, with what is allowed."""

from dataclasses import dataclass

import numpy as np

from antiphon.v1 import stage_pb2, tts_pb2
from services.runtime.contract import (
    LONGEST_VOICE_INSTRUCTIONS,
    WANTED_REFERENCE,
    check_length,
    check_reference,
    check_turn,
    sample_rate,
)
from services.runtime.errors import InvalidArgument
from services.tts.engines import Capabilities, Delivery, Reference, Voice

SLOWEST, FASTEST = 0.5, 2.0
"""Relative speed; from the contract."""


@dataclass(frozen=True, slots=True)
class Config:
    """What was asked for, with every default filled in.

    Attributes:
        turn: whom the reply belongs to.
        sample_rate: of the audio to send, in Hz.
        delivery: how to speak.
    """

    turn: stage_pb2.TurnRef
    sample_rate: int
    delivery: Delivery


def read_config(config: tts_pb2.SynthesizeConfig, can: Capabilities) -> Config:
    """Check a config against the contract and what the engine can do.

    Raises:
        InvalidArgument: with the field and what it may be.
    """
    check_turn("config.turn", config.turn)
    if config.instructions and not can.instructions:
        raise InvalidArgument(
            "config.instructions", "this engine takes none", "leave it empty"
        )
    check_length("config.instructions", config.instructions, LONGEST_VOICE_INSTRUCTIONS)
    voice = _voice(config.voice, can)
    return Config(
        turn=config.turn,
        sample_rate=sample_rate("config.format", config.format, can.sample_rate),
        delivery=Delivery(
            voice=voice.name,
            language=_language(config.language, voice),
            speed=_speed(config.speed, can),
            instructions=config.instructions,
            reference=_reference(config, can),
        ),
    )


def _speed(speed: float, can: Capabilities) -> float:
    if speed in (0.0, 1.0):
        return 1.0
    if not can.speed:
        raise InvalidArgument(
            "config.speed",
            f"is {speed:g}, and this engine speaks at its own speed only",
            "1, or 0",
        )
    if not SLOWEST <= speed <= FASTEST:
        raise InvalidArgument(
            "config.speed", f"is {speed:g}", f"{SLOWEST} to {FASTEST}, or 0"
        )
    return speed


def _voice(name: str, can: Capabilities) -> Voice:
    if not name:
        return can.voices[0]
    for voice in can.voices:
        if voice.name == name:
            return voice
    raise InvalidArgument(
        "config.voice",
        f"there is no voice {name!r}",
        (voice.name for voice in can.voices),
    )


def _language(tag: str, voice: Voice) -> str:
    """The voice's language that a tag asks for: itself, or what it is a kind of (RFC 4647, section 3.4)."""
    if not tag:
        return voice.languages[0]
    spoken = {language.lower(): language for language in voice.languages}
    parts = tag.lower().split("-")
    for count in range(len(parts), 0, -1):
        if language := spoken.get("-".join(parts[:count])):
            return language
    raise InvalidArgument(
        "config.language",
        f"voice {voice.name!r} does not speak {tag!r}",
        voice.languages,
    )


def _reference(config: tts_pb2.SynthesizeConfig, can: Capabilities) -> Reference | None:
    if not config.HasField("reference"):
        if can.reference_required:
            raise InvalidArgument(
                "config.reference",
                "is missing, and this model has no voice of its own",
                WANTED_REFERENCE,
            )
        return None
    if not can.cloning:
        raise InvalidArgument(
            "config.reference", "this engine imitates no voice", "leave it out"
        )
    given = config.reference
    rate = check_reference("config.reference", given)
    samples = np.frombuffer(given.samples, "<i2").astype(np.float32) / 32768.0
    return Reference(samples, rate, given.transcript)
