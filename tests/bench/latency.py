"""How long a person waits: recorded turns in real time through the CPU default, all processes real.

Every figure is taken twice: by the gateway (its waterfall) and by the client, from the instant at which a
microphone would have captured the recording's last sound to the first audio byte received.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle, islice
from typing import Any

from rich.console import Console

from antiphon.client import Conversation, connect
from antiphon.v1 import conversation_pb2 as pb
from gateway.conversation.waterfall import SHARES
from services.runtime.units import to_seconds
from tests.bench.figures import percentiles, table
from tests.microphone import QUESTIONS, SPEECH, Microphone, Recording, recording
from tests.stack import stack

HUMAN = ((0.0, 2.4), (3.2, 4.6), (5.2, 7.9), (8.0, 11.0))
"""Phrases of the human recording, in seconds, cut at its pauses."""

TURNS_IN_A_CONVERSATION = 7
"""Then a new one begins, as with people: the prompt stays of a usual length."""


def recordings() -> list[Recording]:
    """What is said, in turn: ten synthetic questions and four phrases of a human."""
    return [recording(path) for path in QUESTIONS] + [
        recording(SPEECH, *phrase) for phrase in HUMAN
    ]


async def measure(console: Console, turns: int) -> dict[str, Any]:
    """Print and return the figures of so many turns."""
    said = list(islice(cycle(recordings()), turns))
    measured: list[dict[str, Any]] = []
    async with stack() as running, connect(running.gateway) as client:
        for start in range(0, turns, TURNS_IN_A_CONVERSATION):
            async with (
                client.converse() as conversation,
                Microphone(conversation) as microphone,
            ):
                events = aiter(conversation)
                for each in said[start : start + TURNS_IN_A_CONVERSATION]:
                    measured.append(await _turn(events, microphone, each))
                    console.print(
                        _line(len(measured), turns, measured[-1]),
                        highlight=False,
                        markup=False,
                    )
                await _settle(conversation)
    answered = [turn for turn in measured if turn["total"] is not None]
    figures = {
        name: percentiles([turn[name] for turn in answered])
        | {"worst": _worst(answered, name)}
        for name in ("client", "total", *SHARES)
    }
    rows = [{"share": name} | each for name, each in figures.items()]
    title = f"Response latency, {len(answered)} answered of {turns} recorded turns (ms)"
    console.print(table(title, rows))
    return {
        "turns": turns,
        "answered": len(answered),
        "milliseconds": figures,
        "each": measured,
    }


async def _turn(
    events: AsyncIterator[Any], microphone: Microphone, said: Recording
) -> dict[str, Any]:
    ended_at = microphone.say(said)
    first_audio = heard = None
    async for event in events:
        match event:
            case pb.ReplyAudio() if first_audio is None:
                first_audio = asyncio.get_running_loop().time()
            case pb.UserTranscript():
                heard = event.transcript.text
            case pb.TurnEnded():
                fall = event.waterfall if event.HasField("waterfall") else None
                shares = {
                    name: to_seconds(getattr(fall, name)) if fall else None
                    for name in ("total", *SHARES)
                }
                return {
                    "said": said.name,
                    "heard": heard,
                    "answer": event.heard_text,
                    "outcome": pb.TurnOutcome.Name(event.outcome),
                    "client": first_audio - ended_at if first_audio else None,
                } | shares
    raise RuntimeError("the conversation ended in the middle of a turn")


async def _settle(conversation: Conversation) -> None:
    await conversation.finish()


def _worst(turns: list[dict[str, Any]], name: str) -> float:
    return round(max(turn[name] for turn in turns) * 1000, 1)


def _line(number: int, turns: int, turn: dict[str, Any]) -> str:
    wait = "no answer" if turn["total"] is None else f"{turn['total'] * 1000:5.0f} ms"
    return f"{number:3}/{turns}  {wait}  {turn['said']}: {turn['heard']}"
