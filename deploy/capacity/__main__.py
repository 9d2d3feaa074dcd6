"""``python -m deploy.capacity``: how many replicas so many conversations need, as tables or as JSON."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from deploy.capacity import figures as measured
from deploy.capacity import gpu, tables
from deploy.capacity.beside import Provider
from deploy.capacity.page import PAGE, SIZES, renewed
from deploy.capacity.plan import Profile, make
from deploy.capacity.reading import BadInput


def main() -> None:
    """Leaves with status 2 and one line that names what is wrong with its input."""
    try:
        _run(_arguments())
    except BadInput as error:
        print(f"capacity: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _run(chosen: argparse.Namespace) -> None:
    figures = measured.read(chosen.figures)
    if chosen.write_page:
        PAGE.write_text(
            renewed(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8"
        )
        return
    gpus = (
        gpu.read(chosen.models, figures.budgets)
        if chosen.models
        else gpu.newest(Path(), figures.budgets)
    )
    provider = Provider(chosen.requests_per_minute, chosen.tokens_per_minute)
    profiles = [Profile(chosen.profile)] if chosen.profile else list(Profile)
    plans = {
        profile: [
            make(conversations, profile, figures, gpus, provider, chosen.spare)
            for conversations in chosen.conversations or SIZES
        ]
        for profile in profiles
    }
    if chosen.json:
        every = [dataclasses.asdict(each) for made in plans.values() for each in made]
        print(json.dumps(every, indent=2))
        return
    print(tables.introduction(figures))
    if busy := tables.disturbance(figures):
        print(f"\n{busy}")
    for profile, made in plans.items():
        print(f"\n{profile.value}:\n\n{tables.overview(made)}\n")
        for note in tables.notes(made[0]):
            print(f"- {note}")


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(
        prog="python -m deploy.capacity", description=__doc__
    )
    arguments.add_argument(
        "conversations",
        nargs="*",
        type=_count,
        help=f"at once; default: {', '.join(map(str, SIZES))}",
    )
    arguments.add_argument(
        "--profile",
        choices=[each.value for each in Profile],
        help="cpu: the default models; gpu: Parakeet, Qwen3-TTS and a hosted model; default: both",
    )
    arguments.add_argument(
        "--figures",
        type=Path,
        default=measured.SHIPPED,
        help="what one replica carries; default: the file beside this program",
    )
    arguments.add_argument(
        "--models",
        type=Path,
        help=f"what make bench-models wrote on your GPU; default: the newest {gpu.REPORTS}",
    )
    arguments.add_argument(
        "--requests-per-minute", type=_count, help="that the model's provider allows"
    )
    arguments.add_argument(
        "--tokens-per-minute",
        type=_count,
        help="that it allows, of prompt and reply together",
    )
    arguments.add_argument(
        "--spare",
        type=int,
        default=0,
        help="replicas of each kind on top, for a machine that is lost or a rollout; default: 0",
    )
    arguments.add_argument("--json", action="store_true", help="print JSON")
    arguments.add_argument(
        "--write-page",
        action="store_true",
        help="write the tables of docs/scaling.md anew from the figures",
    )
    return arguments.parse_args()


def _count(text: str) -> int:
    digits = text.replace(",", "").replace("_", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(digits)


if __name__ == "__main__":
    main()
