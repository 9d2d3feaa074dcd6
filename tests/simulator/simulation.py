"""A run: scripts played to a gateway, scored, and shown."""

import asyncio
import fnmatch
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rich.console import Console

from antiphon.client import Client, connect
from antiphon.v1 import conversation_pb2 as pb
from gateway.hearing.ending import SmartTurn
from gateway.hearing.voice import SileroVoice
from services.runtime import models
from tests.fakes.running_gateway import running
from tests.simulator.clock import FastLoop
from tests.simulator.microphone import Microphone
from tests.simulator.player import Log, Played, Player
from tests.simulator.report import show
from tests.simulator.scenarios import SCRIPT
from tests.simulator.score import Score, score
from tests.simulator.script import Phase, Turn, phases
from tests.simulator.stages import Pace, serving
from tests.simulator.voices import render
from tests.simulator.world import Air, World
from tests.stack import stack

TURNS_IN_A_CONVERSATION = 9
"""Then a new one begins, as with people."""

PATIENCE = 8.0
"""Seconds after which a user has not been answered: twice the longest wait that any setting knows."""

GOODBYE = "Goodbye."
"""Written at the end of a conversation: its prompt shows what of the last answer is remembered."""


@dataclass(frozen=True)
class Wanted:
    """What to play, and how.

    Attributes:
        script: turns.
        speed: how many times as fast as real time, where the stages are scripted.
        turn_taking: as a client asks for it; empty for the gateway's own.
        settings: of the gateway.
        pace: of the scripted stages.
        ending: whether the end of a turn is predicted by its sound.
    """

    script: Sequence[Turn] = SCRIPT
    speed: float = 1.0
    turn_taking: pb.TurnTaking = field(default_factory=pb.TurnTaking)
    settings: dict[str, object] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    ending: bool = True


def chosen(patterns: str) -> list[Turn]:
    """Turns whose id or group matches one of the patterns, which commas separate."""
    return [
        turn
        for turn in SCRIPT
        if any(
            fnmatch.fnmatch(name, pattern)
            for name in (turn.id, turn.group)
            for pattern in patterns.split(",")
        )
    ]


def measure(
    console: Console, stages: str = "scripted", wanted: Wanted | None = None
) -> dict[str, Any]:
    """Play, print the table and return all figures.

    Args:
        console: to print on.
        stages: "scripted" or "local", the whole CPU default.
        wanted: what to play; default: the whole script.
    """
    wanted = wanted or Wanted(speed=20.0)
    if stages == "local":
        scores = asyncio.run(play_local(wanted))
        title = f"Simulator, {len(scores)} turns, CPU default in real time"
    else:
        scores = play_scripted(wanted)
        title = f"Simulator, {len(scores)} turns, scripted stages, x{wanted.speed:g}"
    return {"stages": stages, **show(console, title, scores)}


def play_scripted(wanted: Wanted) -> list[Score]:
    """Play before scripted stages in this process; voice activity and prediction are real."""
    for turn in wanted.script:
        for phase in phases(turn):
            render(phase.utterance, turn.voice)
    with asyncio.Runner(loop_factory=lambda: FastLoop(wanted.speed)) as runner:
        return runner.run(_play_scripted(wanted))


async def _play_scripted(wanted: Wanted) -> list[Score]:
    world = World()
    settings = {"endpointing": "predicted", **wanted.settings}
    voice = SileroVoice(models.locate("silero-vad") / "silero_vad.onnx")
    try:
        async with (
            _ending(wanted) as ending,
            serving(world, wanted.pace) as stages,
            running(stages, voice, ending=ending, **settings) as gateway,
            connect(gateway.address) as client,
        ):
            played = await _play(client, wanted, world)
            return score(played, world)
    finally:
        await voice.close()


class _Timed:
    """A predictor whose thread the loop's clock waits for."""

    def __init__(self, ending: SmartTurn) -> None:
        self._ending = ending

    async def probability(self, samples: bytes) -> float | None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        with loop.working():
            return await self._ending.probability(samples)


@asynccontextmanager
async def _ending(wanted: Wanted) -> AsyncIterator[_Timed | None]:
    if not wanted.ending:
        yield None
        return
    ending = SmartTurn.load(models.locate("smart-turn") / "smart-turn.onnx")
    try:
        yield _Timed(ending)
    finally:
        await ending.close()


async def play_local(wanted: Wanted) -> list[Score]:
    """Play to the whole CPU default, in real time."""
    environment = {
        f"ANTIPHON_GATEWAY_{name.upper()}": str(value)
        for name, value in wanted.settings.items()
    }
    async with (
        stack(environment) as running_stack,
        connect(running_stack.gateway) as client,
    ):
        played = await _play(client, wanted, None)
    return score(played, None)


async def _play(client: Client, wanted: Wanted, world: World | None) -> list[Played]:
    turns = _mixed(wanted.script)
    played: list[Played] = []
    config = pb.ConversationConfig()
    if wanted.turn_taking.ByteSize():
        config.turn_taking.CopyFrom(wanted.turn_taking)
    while turns:
        turns, now = turns[TURNS_IN_A_CONVERSATION:], turns[:TURNS_IN_A_CONVERSATION]
        air = Air()

        def prepare(turn: Turn, phase: Phase) -> None:
            if world is not None:
                world.reply = turn.reply

        async with client.converse(config) as conversation:
            name = conversation.ready.conversation_id
            if world is not None:
                world.airs[name] = air
            async with (
                Log(conversation) as log,
                Microphone(conversation, air, seed=len(played)) as microphone,
            ):
                player = Player(name, microphone, log, PATIENCE, prepare)
                played += [await player.play(turn) for turn in now]
                await conversation.send_text(GOODBYE)
                await player.settle()
    return played


def _mixed(script: Sequence[Turn]) -> list[Turn]:
    """Groups in turn, so that no conversation is all hesitation."""
    groups = dict.fromkeys(turn.group for turn in script)
    rows = [[turn for turn in script if turn.group == group] for group in groups]
    return [turn for row in zip_longest(*rows) for turn in row if turn is not None]
