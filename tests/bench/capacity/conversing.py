"""How much of a conversation is speech and how much is answer: recorded questions to the whole CPU default, in real time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from antiphon.client import connect
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.audio_pb2 import AudioFormat
from antiphon.v1.llm_pb2 import Sampling
from deploy.capacity.figures import Conversation
from services.runtime.units import PCM_BYTES
from tests.bench.capacity.replica import scrape
from tests.bench.latency import TURNS_IN_A_CONVERSATION, recordings
from tests.microphone import Microphone
from tests.stack import Stack, stack

GAP = 1.0
"""Seconds after an answer before the next question. People take longer, so that a conversation asks for less than this."""

MOST_TOKENS = 40
RATE = 22_050
"""Hz; the default voice's own."""

CONFIG = pb.ConversationConfig(
    sampling=Sampling(max_tokens=MOST_TOKENS),
    output_format=AudioFormat(sample_rate=RATE),
)


async def measure(console: Console) -> Conversation:
    """Hold two conversations, one after the other."""
    said = recordings()
    turns = 0
    loop = asyncio.get_running_loop()
    heard = took = 0.0
    async with stack() as running, connect(running.gateway) as client:
        before = await _totals(running)
        for start in range(0, len(said), TURNS_IN_A_CONVERSATION):
            async with (
                client.converse(CONFIG) as conversation,
                Microphone(conversation) as microphone,
            ):
                events = aiter(conversation)
                began = loop.time()
                for each in said[start : start + TURNS_IN_A_CONVERSATION]:
                    microphone.say(each)
                    heard += await _answered(events)
                    turns += 1
                    console.print(
                        f"conversation: {turns} turns, {heard:.0f} s of answers",
                        highlight=False,
                    )
                    await asyncio.sleep(GAP)
                took += loop.time() - began
                await conversation.finish()
        after = await _totals(running)
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    requests = spent["Generate"]
    return Conversation(
        source=f"{turns} recorded questions and phrases, answers of at most {MOST_TOKENS} tokens heard to their "
        f"end, {GAP:g} s between an answer and the next question; {took:.0f} s of the CPU default",
        turns_per_minute=round(turns / took * 60, 2),
        hearing=round(spent["Transcribe seconds"] / took, 3),
        answering=round(heard / took, 3),
        drafts=round(max(1.0, requests / turns), 3),
        prompt_tokens=round(spent["prompt"] / requests, 1),
        reply_tokens=round(spent["completion"] / requests, 1),
    )


async def _answered(events: AsyncIterator[Any]) -> float:
    """Wait until the turn is over; seconds of audio that answered it."""
    samples = 0
    async for event in events:
        match event:
            case pb.ReplyAudio():
                samples += len(event.samples)
            case pb.TurnEnded():
                return samples / PCM_BYTES / RATE
    raise RuntimeError("the conversation ended in the middle of a turn")


async def _totals(running: Stack) -> dict[str, float]:
    """Calls and seconds of each RPC of the stages, and tokens by kind, since they began."""
    found: dict[str, float] = {}
    for name in ("stt", "llm", "tts"):
        text = await asyncio.to_thread(
            scrape, running.url(name, "metrics_port", "/metrics")
        )
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "antiphon_tokens_total":
                    key = sample.labels["kind"]
                elif sample.name.startswith("antiphon_rpc_duration_seconds_"):
                    key = sample.labels["method"].rpartition("/")[2]
                    key += {"sum": " seconds", "count": ""}.get(
                        sample.name.rpartition("_")[2], " bucket"
                    )
                else:
                    continue
                found[key] = found.get(key, 0.0) + sample.value
    return found
