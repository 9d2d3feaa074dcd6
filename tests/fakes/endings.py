"""A predictor of turns' ends that says what a script says, and what a client does who waits for it."""

import asyncio

from prometheus_client import REGISTRY

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from gateway.conversation.endpointing import WAITS, Patience, likelihood
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Transcript,
    TurnTaking,
)
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client

SOFT_END = 0.2
"""Seconds of silence in which a checkpoint is taken, and no turn decided."""

MEDIUM = TurnTaking(
    Endpointing.PREDICTED, 0.4, Eagerness.MEDIUM, *WAITS[Eagerness.MEDIUM]
)


def wait(says: float | None, hangs: bool = False, text: str = "This is 1.") -> float:
    """Seconds of silence that the end of a turn is waited for, past the soft end."""
    likely = None if hangs else likelihood(says, Transcript(text))
    return Patience().wait(MEDIUM, likely) - SOFT_END


DONE = wait(1.0) + 0.1
"""Seconds of silence past the soft end that end a turn of one who sounds done."""


class ScriptedEnding:
    """Says at each pause what the script says: a probability, None, or nothing at all."""

    def __init__(self) -> None:
        self.says: float | None = 1.0
        self.hangs = False
        self.asked: asyncio.Queue[int] = asyncio.Queue()

    async def probability(self, samples: bytes) -> float | None:
        self.asked.put_nowait(len(samples))
        if self.hangs:
            await asyncio.Future()
        return self.says


async def pause(client: Client, ending: ScriptedEnding) -> None:
    """Speak, and be silent until the predictor is asked."""
    await client.say(speech(0.5) + silence(SOFT_END))
    await ending.asked.get()


async def ended(client: Client) -> pb.TurnEnded:
    return (await client.until("turn_ended")).turn_ended


def since(client: Client, kind: str) -> list[str]:
    """Kinds of messages behind the last one of a kind."""
    kinds = client.kinds()
    return kinds[len(kinds) - kinds[::-1].index(kind) :]


def said(request: llm_pb2.GenerateRequest | llm_pb2.PrepareRequest) -> list[str]:
    """What a model reads, without the instructions."""
    return [message.content[0].text for message in request.messages[1:]]


def counted(outcome: str) -> float:
    labels = {"outcome": outcome}
    return REGISTRY.get_sample_value("antiphon_speculations_total", labels) or 0.0


class Gate:
    """Holds a stage, and says when it has come there."""

    def __init__(self) -> None:
        self.reached: asyncio.Queue[None] = asyncio.Queue()

    def __call__(self) -> "asyncio.Future[None]":
        self.reached.put_nowait(None)
        return asyncio.get_running_loop().create_future()


async def take_turn(client: Client, ending: ScriptedEnding, mode: str) -> str:
    """Speak until it is the assistant's turn in this mode; returns what was heard of the answer."""
    match mode:
        case "predicted":
            await pause(client, ending)
            await client.say(silence(DONE))
        case "silence":
            await client.say(speech(0.5) + silence(0.7))
        case _:
            await client.say(speech(0.5) + silence(3.0) + speech(0.5))
            await client.send(commit={})
    return (await ended(client)).heard_text
