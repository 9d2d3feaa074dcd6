"""``make bench-models``: the full-size models with random weights, on a GPU if there is one.

Prints tables and writes JSON under bench/. What random weights say is nonsense, but it takes as long. Nothing is
asserted here; docs/benchmarks.md keeps the figures with how they were made.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tests.bench.machine import FOLDER, machine
from tests.bench.models import hearing, speaking
from tests.models.checkpoints import parakeet, qwen3


def main() -> None:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.bench.models", description=__doc__
    )
    arguments.add_argument("--only", choices=["stt", "tts"], help="default: both")
    arguments.add_argument(
        "--device", choices=["cpu", "cuda"], help="default: cuda if there is one"
    )
    arguments.add_argument(
        "--utterances", type=float, nargs="+", default=[2.0, 5.0, 10.0], help="seconds"
    )
    arguments.add_argument(
        "--stt-streams", type=int, nargs="+", default=[1, 16, 64, 256]
    )
    arguments.add_argument(
        "--tts-streams", type=int, nargs="+", default=[1, 4, 8, 16, 32]
    )
    arguments.add_argument(
        "--tts-size",
        choices=[qwen3.SMALL, qwen3.LARGE],
        default=qwen3.SMALL,
        help="0.6B or 1.7B",
    )
    arguments.add_argument(
        "--rounds", type=int, default=5, help="utterances of each speaker"
    )
    arguments.add_argument(
        "--audio",
        type=float,
        help="seconds of each reply; default: 8, on a CPU 1.6",
    )
    chosen = arguments.parse_args()
    device = chosen.device or ("cuda" if torch.cuda.is_available() else "cpu")
    console = Console(width=None if sys.stdout.isatty() else 120)
    report: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
    }
    console.print(f"Machine: {report['machine']}", highlight=False)
    console.print(f"Device: {report['device']}", highlight=False)
    if chosen.only in (None, "stt"):
        with tempfile.TemporaryDirectory(prefix="antiphon-bench-") as folder:
            console.print("Making a full-size Parakeet", highlight=False)
            checkpoint = Path(folder) / "parakeet-tdt-0.6b.nemo"
            parakeet.save(parakeet.FULL, checkpoint)
            report["stt"] = asyncio.run(
                hearing.measure(
                    console,
                    checkpoint,
                    device,
                    chosen.utterances,
                    chosen.stt_streams,
                    chosen.rounds,
                )
            )
    if chosen.only in (None, "tts"):
        console.print("Making a full-size Qwen3-TTS", highlight=False)
        report["tts"] = asyncio.run(
            speaking.measure(
                console,
                device,
                chosen.tts_size,
                chosen.tts_streams,
                chosen.audio or (1.6 if device == "cpu" else 8.0),
            )
        )
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"models-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"Written to {path}", highlight=False)


if __name__ == "__main__":
    main()
