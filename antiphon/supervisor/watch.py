"""Noticing that a process which was ready hangs: it lives, and answers nobody."""

import asyncio
from dataclasses import dataclass

from antiphon.supervisor.health import Probe


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """How long a process that was ready may be silent.

    It has to be a hang and not work. A probe is answered by the process's event loop (the local language model's by
    HTTP threads of its own), on which no model ever computes, so that an answer takes milliseconds however busy the
    engine is, and any answer will do: "not ready" is what a process says that finishes its work before it ends. Only
    one that is stopped, or whose loop is stuck, misses several in a row; with these numbers it has been silent for at
    least 20 s by then, which no burst of load on a small machine comes near. A machine that slept wakes to one
    missed probe at most, because each is asked only after the one before.

    Attributes:
        every: seconds between two probes.
        answer: seconds that an answer may take; later is a miss.
        misses: in a row, after which it hangs.
    """

    every: float = 5.0
    answer: float = 3.0
    misses: int = 4


async def until_silent(probe: Probe, policy: WatchPolicy) -> None:
    """Ask now and again; returns when too many answers in a row were missing."""
    missed = 0
    while missed < policy.misses:
        await asyncio.sleep(policy.every)
        missed = 0 if await probe.alive(policy.answer) else missed + 1
