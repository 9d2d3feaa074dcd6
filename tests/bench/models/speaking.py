"""Text to speech at full size: how soon a reply is heard, and whether it keeps ahead of its listener.

So many replies at once, begun one after the other within a second, each a long sentence. The scheduler is the service's
own, in this process: what gRPC adds is not in it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from rich.console import Console

from services.tts.engines import Delivery, Line
from services.tts.engines.qwen3.engine import Qwen3Engine
from services.tts.engines.qwen3.voices import read_offer
from services.tts.scheduler import Reply, Scheduler
from services.tts.speakable import make_speakable
from tests.bench.figures import percentiles, table
from tests.models.checkpoints import qwen3

SENTENCE = (
    "The quick brown fox that lives behind our house has learned to open the gate by itself, and every evening it "
    "comes to see whether somebody has left a window open."
)


async def measure(
    console: Console, device: str, size: str, streams: Sequence[int], seconds: float
) -> dict[str, Any]:
    """Print and return a row for each number of replies; each is heard for so many seconds of audio."""
    torch.set_num_threads(1)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    began = time.perf_counter()
    model = qwen3.full_size(size, device, dtype)
    offer = read_offer(model.model, "")
    most = max(streams) if device == "cuda" else 1
    scheduler = Scheduler(
        Qwen3Engine(model, offer, f"random {size}", most), "qwen3", 3600.0
    )
    carried = await scheduler.warm_up()
    took = time.perf_counter() - began
    console.print(
        f"Made and warm after {took:.0f} s; measured for {carried} streams",
        highlight=False,
    )
    scheduler.start()
    rows: list[dict[str, object]] = []
    slow = False
    try:
        for count in streams:
            if slow:
                row: dict[str, object] = {
                    "streams": count,
                    "first audio p50": "not run",
                }
                rows.append(row)
                continue
            rows.append(await _speak(scheduler, count, seconds))
            console.print(rows[-1], highlight=False)
            slow = device == "cpu" and float(str(rows[-1]["RTF p50"])) > 1
    finally:
        await scheduler.stop()
    console.print(
        table("Text to speech: first audio (ms) and real-time factor of a reply", rows)
    )
    return {
        "size": size,
        "audio_s": seconds,
        "measured_capacity": carried,
        "rows": rows,
    }


async def _speak(scheduler: Scheduler, count: int, seconds: float) -> dict[str, object]:
    rate = scheduler.capabilities.sample_rate
    voice = scheduler.capabilities.voices[0]
    spoken = make_speakable(SENTENCE, True, "en")
    words = tuple((word.start, word.end) for word in spoken.words)
    line = Line(spoken.text, words, Delivery(voice.name, voice.languages[0]))
    firsts: list[float] = []
    factors: list[float] = []
    late: list[float] = []

    async def reply(index: int) -> None:
        await asyncio.sleep(index / count)
        asked = time.perf_counter()
        saying = scheduler.say(Reply(), line)
        audio, behind = 0.0, 0.0
        try:
            while audio < seconds and (piece := await saying.next()) is not None:
                now = time.perf_counter()
                if not audio:
                    first = now
                    firsts.append(now - asked)
                # What a listener who began with the first piece would have to wait for this one.
                behind = max(behind, now - first - audio)
                audio += len(piece.samples) / rate
        finally:
            saying.close()
        if audio:
            factors.append((time.perf_counter() - asked) / audio)
            late.append(behind)

    async with asyncio.TaskGroup() as group:
        for index in range(count):
            group.create_task(reply(index))
    heard = percentiles(firsts)
    return {
        "streams": count,
        "first audio p50": heard["p50"],
        "first audio p95": heard["p95"],
        "RTF p50": round(float(np.percentile(factors, 50)), 3),
        "RTF p95": round(float(np.percentile(factors, 95)), 3),
        "longest gap ms": round(max(late) * 1000, 1),
    }
