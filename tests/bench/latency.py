"""How long a person waits: recorded turns in real time through the CPU default, all processes real.

Every figure is taken twice: by the gateway (its waterfall) and by the client, from the instant at which a
microphone would have captured the recording's last sound to the first audio byte received.
"""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Mapping
from itertools import cycle, islice
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from antiphon.client import connect
from antiphon.v1 import conversation_pb2 as pb
from gateway.conversation.waterfall import SHARES
from services.runtime.units import to_seconds
from tests.bench.figures import percentiles, table
from tests.microphone import QUESTIONS, SPEECH, Microphone, Recording, recording
from tests.stack import Stack, stack

HUMAN = ((0.0, 2.4), (3.2, 4.6), (5.2, 7.9), (8.0, 11.0))
"""Phrases of the human recording, in seconds, cut at its pauses."""

PERCENTILES = ("p50", "p95", "worst")

PREDICTED_END = 0.6
"""Seconds of endpointing; a pause that was waited for no longer was taken for an end."""

ROWS = ("client", "total", *SHARES, "saved", "after the decision")
FINISHED = "total, finished sentences"
AFTER_ENDS = "after the decision, predicted ends"

SHORT = pb.ConversationConfig(sampling={"max_tokens": 40})
"""Every answer is heard to its end; how long it is says nothing about when it begins."""

UNFINISHED = ("jfk@0", "jfk@3.2")
"""Phrases of the human that lead on ("And so, my fellow Americans", "ask not"): to wait for more is right there."""

TURNS_IN_A_CONVERSATION = 7
"""Then a new one begins, as with people: the prompt stays of a usual length."""


def recordings() -> list[Recording]:
    """What is said, in turn: ten synthetic questions and four phrases of a human."""
    return [recording(path) for path in QUESTIONS] + [
        recording(SPEECH, *phrase) for phrase in HUMAN
    ]


async def measure(console: Console, turns: int) -> dict[str, Any]:
    """Print and return the figures of so many turns, with speculation and without."""
    ways = {
        "with speculation": {},
        "without": {"ANTIPHON_GATEWAY_SPECULATIONS": "0"},
    }
    measured = {way: await _measure(console, way, ways[way], turns) for way in ways}
    rows = [
        {"share": row}
        | {
            f"{way}, {p}": measured[way]["milliseconds"][row][p]
            for way in ways
            for p in PERCENTILES
        }
        for row in (*ROWS, FINISHED, AFTER_ENDS)
    ]
    console.print(table(f"Response latency, {turns} recorded turns (ms)", rows))
    return measured


async def _measure(
    console: Console, way: str, environment: Mapping[str, str], turns: int
) -> dict[str, Any]:
    said = list(islice(cycle(recordings()), turns))
    measured: list[dict[str, Any]] = []
    async with stack(environment) as running, connect(running.gateway) as client:
        for start in range(0, turns, TURNS_IN_A_CONVERSATION):
            async with (
                client.converse(SHORT) as conversation,
                Microphone(conversation) as microphone,
            ):
                events = aiter(conversation)
                for each in said[start : start + TURNS_IN_A_CONVERSATION]:
                    measured.append(await _turn(events, microphone, each))
                    console.print(
                        f"{way}: " + _line(len(measured), turns, measured[-1]),
                        highlight=False,
                        markup=False,
                    )
                await conversation.finish()
        spent = _spent(running)
    answered = [turn for turn in measured if turn["total"] is not None]
    ends = [turn for turn in answered if turn["endpointing"] <= PREDICTED_END]
    finished = [turn for turn in answered if turn["said"] not in UNFINISHED]
    figures = {row: _figures([turn[row] for turn in answered]) for row in ROWS}
    figures[FINISHED] = _figures([turn["total"] for turn in finished])
    figures[AFTER_ENDS] = _figures([turn["after the decision"] for turn in ends])
    console.print(
        f"{way}: {len(answered)} answered, {len(ends)} of them predicted as an end; {spent}",
        highlight=False,
    )
    return {
        "turns": turns,
        "answered": len(answered),
        "predicted_ends": len(ends),
        "speculations": spent,
        "milliseconds": figures,
        "each": measured,
    }


def _spent(running: Stack) -> dict[str, float]:
    """What speculation cost, by the gateway's own metrics."""
    url = running.url("gateway", "metrics_port", "/metrics")
    with urllib.request.urlopen(url) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    return {
        sample.labels.get(
            "outcome", sample.name.removeprefix("antiphon_")
        ): sample.value
        for family in families
        if family.name.startswith("antiphon_speculation")
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def _figures(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return dict.fromkeys(PERCENTILES, 0.0)
    return percentiles(seconds) | {"worst": round(max(seconds) * 1000, 1)}


async def _turn(
    events: AsyncIterator[Any], microphone: Microphone, said: Recording
) -> dict[str, Any]:
    ended_at = microphone.say(said)
    loop = asyncio.get_running_loop()
    first_audio = decided = heard = None
    async for event in events:
        match event:
            case pb.ReplyAudio() if first_audio is None:
                first_audio = loop.time()
            case pb.UserTranscript():
                decided = loop.time()
                heard = event.transcript.text
            case pb.TurnEnded():
                fall = event.waterfall if event.HasField("waterfall") else None
                shares = {
                    name: to_seconds(getattr(fall, name)) if fall else None
                    for name in ("total", *SHARES, "saved")
                }
                return {
                    "said": said.name,
                    "heard": heard,
                    "answer": event.heard_text,
                    "outcome": pb.TurnOutcome.Name(event.outcome),
                    "client": first_audio - ended_at if first_audio else None,
                    "after the decision": first_audio - decided
                    if first_audio and decided
                    else None,
                } | shares
    raise RuntimeError("the conversation ended in the middle of a turn")


def _line(number: int, turns: int, turn: dict[str, Any]) -> str:
    wait = "no answer" if turn["total"] is None else f"{turn['total'] * 1000:5.0f} ms"
    return f"{number:3}/{turns}  {wait}  {turn['said']}: {turn['heard']}"
