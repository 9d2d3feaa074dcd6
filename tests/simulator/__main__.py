"""``python -m tests.simulator``: play scripted talk to a gateway and score what it does."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from antiphon.v1 import conversation_pb2 as pb
from services.runtime.logs import configure
from services.runtime.onnx import forbid_reports
from services.runtime.settings import ServiceSettings
from services.runtime.units import to_duration
from tests.simulator.simulation import Wanted, chosen, measure
from tests.simulator.stages import CPU, FAST


def main() -> None:
    forbid_reports()
    asked = _arguments().parse_args()
    configure(ServiceSettings(log_level="warning"))
    settings: dict[str, object] = dict(
        name_and_value.split("=", 1) for name_and_value in asked.set
    )
    wanted = Wanted(
        script=chosen(asked.only),
        speed=asked.speed,
        turn_taking=_turn_taking(asked),
        settings=settings,
        pace=FAST if asked.pace == "fast" else CPU,
        ending=not asked.without_prediction,
    )
    if not wanted.script:
        sys.exit(f"no turn and no group is called {asked.only!r}")
    console = Console(width=None if sys.stdout.isatty() else 180)
    report = measure(console, asked.stages, wanted)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")


def _arguments() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.simulator", description=__doc__
    )
    made.add_argument(
        "--stages",
        choices=["scripted", "local"],
        default="scripted",
        help="scripted ones, or the whole CPU default, which only goes in real time",
    )
    made.add_argument(
        "--speed",
        type=float,
        default=20.0,
        help="how fast time goes while nothing is computed, with scripted stages (default: 20)",
    )
    made.add_argument(
        "--pace",
        choices=["cpu", "fast"],
        default="cpu",
        help="how slow scripted stages are: as the CPU default, or as a GPU and a hosted model",
    )
    made.add_argument(
        "--only",
        default="*",
        help="turns or groups whose name matches, e.g. 'cut-*'; several: comma",
    )
    made.add_argument(
        "--silence", type=float, help="end turns by so many seconds of silence alone"
    )
    made.add_argument("--min-wait", type=float, help="seconds after a sure end")
    made.add_argument("--max-wait", type=float, help="seconds after a sure pause")
    made.add_argument("--eagerness", choices=["low", "medium", "high", "auto"])
    made.add_argument(
        "--without-prediction",
        action="store_true",
        help="do not judge by the sound of the last words (scripted stages)",
    )
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the gateway's, e.g. soft_end=0.2",
    )
    made.add_argument("--json", type=Path, help="file to write all figures to")
    return made


def _turn_taking(asked: argparse.Namespace) -> pb.TurnTaking:
    wanted = pb.TurnTaking()
    if asked.silence is not None:
        wanted.silence.silence.CopyFrom(to_duration(asked.silence))
    if asked.eagerness:
        name = f"EAGERNESS_{asked.eagerness.upper()}"
        wanted.predicted.eagerness = pb.Eagerness.Value(name)
    if asked.min_wait is not None:
        wanted.predicted.min_wait.CopyFrom(to_duration(asked.min_wait))
    if asked.max_wait is not None:
        wanted.predicted.max_wait.CopyFrom(to_duration(asked.max_wait))
    return wanted


if __name__ == "__main__":
    main()
