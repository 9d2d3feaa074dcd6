"""Scores as a table for people and as figures for files."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from tests.bench.figures import percentiles, table
from tests.simulator.score import Score


def figures(scores: Sequence[Score]) -> dict[str, Any]:
    """Counts, rates and percentiles of some turns; milliseconds where a name ends in ``_ms``."""
    latencies = [seconds for one in scores for seconds in one.latencies]
    decided = [seconds for one in scores for seconds in one.decided]
    heeded = [seconds for one in scores for seconds in one.heeded_after]
    off = [words for one in scores for words in one.words_off]

    def total(name: str) -> int:
        return sum(getattr(one, name) for one in scores)

    return {
        "turns": len(scores),
        "utterances": total("utterances"),
        "cut_off": total("cut_off"),
        "missed": total("missed"),
        "latency_ms": percentiles(latencies) if latencies else None,
        "decided_ms": percentiles(decided) if decided else None,
        "reactions": total("reactions"),
        "false_cuts": total("false_cuts"),
        "unasked": total("unasked"),
        "ducked": total("ducked"),
        "interruptions": total("interruptions"),
        "not_heeded": total("not_heeded"),
        "heeded_after_ms": percentiles(heeded) if heeded else None,
        "words": total("words"),
        "lost": total("lost"),
        "leaked": total("leaked"),
        "histories": len(off),
        "cut_answers": total("cut_answers"),
        "most_words_off": max(off, default=0),
        "cut_off_rate": _rate(total("cut_off"), total("utterances")),
        "false_cut_rate": _rate(total("false_cuts"), total("reactions")),
        "lost_rate": _rate(total("lost"), total("words")),
    }


def show(console: Console, title: str, scores: Sequence[Score]) -> dict[str, Any]:
    """Print a table by group and what went wrong, and return all figures."""
    groups = {
        group: figures([one for one in scores if one.group == group])
        for group in dict.fromkeys(one.group for one in scores)
    }
    groups["all"] = figures(scores)
    rows = [_row(group, numbers) for group, numbers in groups.items()]
    console.print(table(title, rows))
    for one in scores:
        for note in one.notes:
            console.print(f"  {one.id}: {note}", highlight=False, markup=False)
    return {"groups": groups, "each": [asdict(one) for one in scores]}


def _row(group: str, numbers: dict[str, Any]) -> dict[str, object]:
    return {
        "group": group,
        "turns": numbers["turns"],
        "cut off": _of(numbers["cut_off"], numbers["utterances"]),
        "missed": numbers["missed"],
        "decided p50/p95 ms": _pair(numbers["decided_ms"]),
        "answered p50/p95 ms": _pair(numbers["latency_ms"]),
        "false cuts": _of(numbers["false_cuts"], numbers["reactions"]),
        "unasked": numbers["unasked"],
        "not heeded": _of(numbers["not_heeded"], numbers["interruptions"]),
        "heeded p50/p95 ms": _pair(numbers["heeded_after_ms"]),
        "words lost": _of(numbers["lost"], numbers["words"]),
        "leaked": numbers["leaked"],
        "history off": f"{numbers['most_words_off']} in {numbers['histories']}",
    }


def _of(count: int, whole: int) -> str:
    return f"{count}/{whole}" if whole else "-"


def _pair(found: dict[str, float] | None) -> str:
    return f"{found['p50']:.0f}/{found['p95']:.0f}" if found else "-"


def _rate(count: int, whole: int) -> float | None:
    return round(count / whole, 4) if whole else None
