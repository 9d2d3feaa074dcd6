"""``make bench``: measure, print tables, write JSON.

How long does a person wait for an answer on the CPU default, how much of that is the gateway's own doing, what does
telemetry cost, how soon is an answer silent that is interrupted, how often are people cut off or missed, what do a
thousand turns leave behind, and what does one replica of each stage carry. Nothing is asserted here; docs/benchmarks.md
keeps the figures with how they were made.
"""

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from tests.bench import capacity, interruptions, latency, overhead, share, soak
from tests.bench.machine import FOLDER, machine
from tests.simulator import simulation


def main() -> None:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__
    )
    arguments.add_argument(
        "--only",
        choices=[
            "latency",
            "share",
            "overhead",
            "interruptions",
            "simulator",
            "soak",
            "capacity",
        ],
        help="one of them; default: all",
    )
    arguments.add_argument(
        "--turns", type=int, default=34, help="recorded turns for latency (default: 34)"
    )
    arguments.add_argument(
        "--conversations",
        type=int,
        nargs="+",
        default=[1, 10, 50, 100],
        help="at once, for the gateway's share",
    )
    arguments.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="turns of each conversation, for the share and for what telemetry costs",
    )
    arguments.add_argument(
        "--repeats",
        type=int,
        default=4,
        help="runs with telemetry and without (default: 4 each)",
    )
    arguments.add_argument(
        "--interruptions",
        type=int,
        default=100,
        help="interrupted answers for each number of conversations (default: 100)",
    )
    arguments.add_argument(
        "--soak", type=int, default=1000, help="turns of the soak (default: 1000)"
    )
    arguments.add_argument(
        "--seconds",
        type=float,
        default=12.0,
        help="that each step of the capacity counts (default: 12)",
    )
    arguments.add_argument(
        "--write",
        action="store_true",
        help="put what a replica carries into deploy/capacity/figures.toml and docs/scaling.md",
    )
    chosen = arguments.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    report: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }
    console.print(f"Machine: {report['machine']}", highlight=False)
    if chosen.only in (None, "latency"):
        report["latency"] = asyncio.run(latency.measure(console, chosen.turns))
    if chosen.only in (None, "share"):
        report["share"] = asyncio.run(
            share.measure(console, chosen.conversations, chosen.rounds)
        )
    if chosen.only in (None, "overhead"):
        report["overhead"] = asyncio.run(
            overhead.measure(console, 50, chosen.rounds, chosen.repeats)
        )
    if chosen.only in (None, "interruptions"):
        report["interruptions"] = asyncio.run(
            interruptions.measure(console, (1, 50), chosen.interruptions)
        )
    if chosen.only in (None, "simulator"):
        report["simulator"] = simulation.measure(console)
    if chosen.only in (None, "soak"):
        report["soak"] = soak.measure(console, chosen.soak)
    if chosen.only in (None, "capacity"):
        report["capacity"] = asyncio.run(
            capacity.measure(console, chosen.seconds, chosen.write)
        )
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"Written to {path}", highlight=False)


if __name__ == "__main__":
    main()
