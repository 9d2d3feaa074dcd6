"""How soon an answer is silent that somebody talks into: a real gateway process, real voice activity, real sockets.

With ``interrupt: always`` the gateway decides on the first audio in which it hears a voice. So what interrupts is sent
as one message that has enough of a voice in it, and the clock runs from before that message is sent until the client
has read `reply_interrupted`; nothing is subtracted: the way there, voice activity, the decision and the way back are
all in it. Audio that comes after `reply_interrupted` is counted: there must be none.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from antiphon.client import Client, Conversation, connect
from antiphon.v1 import conversation_pb2 as pb
from tests.bench.figures import percentiles, table
from tests.bench.fronts import FRAME
from tests.bench.share import processes
from tests.microphone import QUESTIONS, Microphone, recording

REPLY = "and so on, " * 60
"""Twenty-six seconds of answer: nobody hears its end."""

VOICE = (0.5, 0.82)
"""Seconds of the question in which there is nothing but voice; within ten windows of it, it is noticed."""

PLAYED = 0.7
"""Seconds of an answer before somebody talks into it; others do a little sooner or later."""


@dataclass
class Silenced:
    """What interruptions took, in seconds.

    Attributes:
        told: from the sending of the voice to `reply_interrupted`.
        last_audio: likewise to the last audio of the answer, where any came after the voice was sent: how many answers
            were still audible for so long.
        late: messages of audio after `reply_interrupted`.
    """

    told: list[float] = field(default_factory=list)
    last_audio: list[float] = field(default_factory=list)
    late: int = 0


async def measure(
    console: Console, conversations: Sequence[int], interruptions: int
) -> dict[str, Any]:
    """Print and return the figures of so many interruptions, for so many conversations at once."""
    rows = []
    for count in conversations:
        silenced = await _measure(count, max(1, interruptions // count))
        rows.append(
            {
                "conversations": count,
                "interruptions": len(silenced.told),
                **_figures("interrupted", silenced.told),
                **_figures("last audio", silenced.last_audio),
                "audio until it": len(silenced.last_audio),
                "audio after it": silenced.late,
            }
        )
        console.print(f"{count} conversations: {rows[-1]}", highlight=False)
    console.print(
        table(
            "From the sending of the voice that interrupts, to the client's socket (ms)",
            rows,
        )
    )
    return {"rows": rows}


def _figures(name: str, seconds: Sequence[float]) -> dict[str, Any]:
    if not seconds:
        return {f"{name} p50": None, f"{name} p95": None}
    return {f"{name} {p}": value for p, value in percentiles(seconds).items()}


async def _measure(count: int, rounds: int) -> Silenced:
    silenced = Silenced()
    async with (
        processes(REPLY) as running,
        connect(running.grpc) as client,
        asyncio.TaskGroup() as group,
    ):
        for index in range(count):
            group.create_task(_converse(client, index / count, rounds, silenced))
    return silenced


async def _converse(
    client: Client, share: float, rounds: int, silenced: Silenced
) -> None:
    """One conversation, in which every answer but the last is interrupted; ``share`` spreads them over time."""
    taking = pb.TurnTaking(interrupt=pb.INTERRUPT_POLICY_ALWAYS)
    taking.silence.silence.FromMilliseconds(400)
    await asyncio.sleep(share * 3.0)
    async with (
        client.converse(pb.ConversationConfig(turn_taking=taking)) as conversation,
        Microphone(conversation, FRAME) as microphone,
    ):
        microphone.say(recording(QUESTIONS[2]))
        cut = 0
        for _ in range(rounds):
            async for event in conversation:
                if isinstance(event, pb.ReplyAudio) and event.turn > cut:
                    break
                silenced.late += isinstance(event, pb.ReplyAudio)
            cut = await _interrupt(conversation, PLAYED + share / 3, silenced)


async def _interrupt(
    conversation: Conversation, after: float, silenced: Silenced
) -> int:
    """Talk into the answer that has just begun, which is the next turn's question; returns the turn that it cut."""
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(_talk_into(conversation, after))
    last_audio = 0.0
    async for event in conversation:
        match event:
            case pb.ReplyAudio():
                last_audio = loop.time()
            case pb.ReplyInterrupted():
                told, sent = loop.time(), await sending
                silenced.told.append(told - sent)
                if last_audio > sent:
                    silenced.last_audio.append(last_audio - sent)
                return event.turn
    raise RuntimeError("the conversation ended before its answer was interrupted")


async def _talk_into(conversation: Conversation, after: float) -> float:
    voice = recording(QUESTIONS[2], *VOICE).samples
    await asyncio.sleep(after)
    sent = asyncio.get_running_loop().time()
    await conversation.send_audio(voice)
    return sent
