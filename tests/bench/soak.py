"""A thousand turns of people who interrupt at random, at up to twenty times real time, and what is left of them.

Gateway, scripted stages and clients share this process, so a task, a call or memory that anybody leaks shows here.
"""

import gc
import tracemalloc
from typing import Any

import psutil
from rich.console import Console

from tests.bench.figures import table
from tests.soak.soak import Soaked, soak

STEP = 100
"""Turns between two looks at memory."""

AT_ONCE = 16
SPEED = 20.0


def measure(console: Console, turns: int) -> dict[str, Any]:
    """Print and return what so many turns leave behind."""
    memory: list[dict[str, Any]] = []

    def look(soaked: Soaked) -> None:
        done = soaked.turns.total()
        if done % STEP == 0:
            memory.append({"turns": done} | _memory())
            console.print(f"soak {memory[-1]}", highlight=False)

    tracemalloc.start()
    try:
        soaked = soak(turns, AT_ONCE, speed=SPEED, progress=look)
    finally:
        tracemalloc.stop()
    left = {
        "tasks": dict(soaked.tasks),
        "stage calls": dict(soaked.calls),
        "sessions": soaked.sessions,
        "sockets": soaked.sockets,
    }
    console.print(table("Memory over a soak (MiB)", memory))
    for name, counts in (
        ("Turns", soaked.turns),
        ("Speculations", soaked.speculations),
        ("Calls the stages saw cancelled", soaked.cancelled),
    ):
        console.print(f"{name}: {dict(counts)}", highlight=False)
    console.print(
        f"{soaked.conversations} conversations, {soaked.deserted} deserted; {soaked.talked:.0f} s of talk, "
        f"{AT_ONCE} conversations at once, in {soaked.took:.0f} s",
        highlight=False,
    )
    console.print(f"Left at the end: {left}", highlight=False)
    console.print(f"Rules broken: {soaked.problems or 'none'}", highlight=False)
    return {
        "turns": dict(soaked.turns),
        "speculations": dict(soaked.speculations),
        "cancelled": dict(soaked.cancelled),
        "conversations": soaked.conversations,
        "deserted": soaked.deserted,
        "talked_s": round(soaked.talked),
        "took_s": round(soaked.took, 1),
        "at_once": AT_ONCE,
        "speed": SPEED,
        "memory_mib": memory,
        "left": left,
        "problems": soaked.problems,
    }


def _memory() -> dict[str, float]:
    gc.collect()
    mib = 2**20
    return {
        "RSS": round(psutil.Process().memory_info().rss / mib, 1),
        "traced": round(tracemalloc.get_traced_memory()[0] / mib, 2),
    }
