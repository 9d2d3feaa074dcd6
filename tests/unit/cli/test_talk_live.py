"""Talking with microphone and speakers, both scripted."""

import os
import signal
import sys
from typing import TypeVar

import numpy as np
import pytest

from antiphon.cli import devices
from antiphon.cli.dialogue import Dialogue
from antiphon.cli.keys import NoKeys
from antiphon.cli.talk import talk_live
from antiphon.cli.turns import Turns
from antiphon.cli.views import QuietView
from antiphon.cli.wishes import Wishes
from antiphon.client import Event
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.errors import Full
from services.runtime.units import to_duration
from tests.fakes.gateway import Exchange, scripted_gateway
from tests.fakes.keyboard import nothing, terminal
from tests.fakes.portaudio import InputStream, OutputStream, Stream, install

PUSHING = Wishes(turns=Turns("push-to-talk"))

_Device = TypeVar("_Device", bound=Stream)


class Person(QuietView):
    """Speaks as soon as there is a microphone, listens to the first sounds, and hangs up when the turn is over."""

    def __init__(self, listens: int = 8) -> None:
        self.notes: list[str] = []
        self.listens = listens
        self.heard: list[bytes] = []

    def note(self, message: str) -> None:
        self.notes.append(message)
        _device(InputStream).hear(b"\x05\x00" * 640)

    def show(self, dialogue: Dialogue, event: Event) -> None:
        # The client plays an event's audio after it has shown the event: listen at the next one.
        self.heard.append(_device(OutputStream).play(self.listens))
        if isinstance(event, pb.TurnEnded):
            os.kill(os.getpid(), signal.SIGINT)


def _device(kind: type[_Device]) -> _Device:
    return next(stream for stream in Stream.opened if isinstance(stream, kind))


@pytest.fixture(autouse=True)
def _scripted_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


async def test_what_the_microphone_hears_is_sent_and_the_answer_is_played() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.04)
        await exchange.turn(1, audio=b"\x07\x00" * 8)
        await exchange.closed()

    person = Person()
    async with scripted_gateway(script) as gateway:
        dialogue = await talk_live(gateway.target, Wishes(), person, device=None)
        assert bytes(gateway.exchanges[0].audio) == b"\x05\x00" * 640
    assert b"\x07\x00" * 4 in person.heard
    assert dialogue.audio == b"\x07\x00" * 8
    assert dialogue.answered
    assert "headphones" in person.notes[0]
    assert not any(stream.running for stream in Stream.opened)


async def test_an_interrupted_answer_falls_silent_at_once() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.04)
        await exchange.say(
            reply_audio=pb.ReplyAudio(turn=1, samples=b"\x07\x00" * 24_000)
        )
        await exchange.say(
            reply_interrupted=pb.ReplyInterrupted(turn=1, at=to_duration(0.1))
        )
        await exchange.say(
            turn_ended=pb.TurnEnded(turn=1, outcome=pb.TURN_OUTCOME_INTERRUPTED)
        )
        await exchange.closed()

    person = Person()
    async with scripted_gateway(script) as gateway:
        await talk_live(gateway.target, Wishes(), person, device=None)
    assert person.heard == [bytes(8), b"\x07\x00" * 4, bytes(8)]


async def test_an_answer_is_played_quietly_while_ducked_and_saved_as_it_came() -> None:
    spoken = np.full(24_000, 10_000, "<i2").tobytes()

    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.04)
        await exchange.say(reply_audio=pb.ReplyAudio(turn=1, samples=spoken))
        for ducked in (True, False, True):
            await exchange.say(reply_ducked=pb.ReplyDucked(turn=1, ducked=ducked))
        await exchange.say(
            turn_ended=pb.TurnEnded(turn=1, outcome=pb.TURN_OUTCOME_ANSWERED)
        )
        await exchange.closed()

    # 20 ms: the ramp, and as much again.
    person = Person(listens=960)
    async with scripted_gateway(script) as gateway:
        dialogue = await talk_live(gateway.target, Wishes(), person, device=None)
    heard = [np.frombuffer(part, "<i2")[240:] for part in person.heard]
    assert [set(part.tolist()) for part in heard] == [
        {0},
        {10_000},
        {2_000},
        {10_000},
        {2_000},
    ]
    assert dialogue.audio == spoken


async def test_enter_ends_the_turn_where_the_user_pushes_to_talk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.04)
        os.write(keys, b"\n")
        await exchange.got("commit")
        await exchange.turn(1)
        await exchange.closed()

    person = Person()
    with terminal(monkeypatch) as keys:
        async with scripted_gateway(script) as gateway:
            dialogue = await talk_live(gateway.target, PUSHING, person, device=None)
            config = gateway.exchanges[0].config
    assert dialogue.answered
    assert "press Enter" in person.notes[0]
    assert config.turn_taking.WhichOneof("endpointing") == "manual"


async def test_without_a_key_to_push_nobody_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.closed()

    async with scripted_gateway(script) as gateway:
        with (
            nothing(monkeypatch),
            pytest.raises(NoKeys, match="push-to-talk needs a terminal"),
        ):
            await talk_live(gateway.target, PUSHING, Person(), device=None)
        assert gateway.exchanges == []


async def test_a_conversation_that_breaks_says_why() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.04)
        raise Full("come back later")

    async with scripted_gateway(script) as gateway:
        with pytest.raises(Full, match="come back later"):
            await talk_live(gateway.target, Wishes(), Person(), device=None)
    assert not any(stream.running for stream in Stream.opened)


async def test_without_portaudio_nobody_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    async def script(exchange: Exchange) -> None:
        await exchange.closed()

    async with scripted_gateway(script) as gateway:
        with pytest.raises(devices.NoDevice):
            await talk_live(gateway.target, Wishes(), Person(), device=None)
        assert gateway.exchanges == []
