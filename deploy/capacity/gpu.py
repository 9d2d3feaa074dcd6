"""What one GPU carries, from what ``make bench-models`` wrote. Nothing is guessed where that has not been run on one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.capacity.figures import Budgets
from deploy.capacity.reading import BadInput

REPORTS = "bench/models-*.json"
RUN = "run make bench-models on your GPU"

UTTERANCE = "5"
"""Seconds; the length of which people say most, of those that are measured."""

_LATE_MS = 300.0
"""Milliseconds that an answer's audio may be behind: what the gateway sends ahead of real time (``lead``)."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What one GPU carries of one model.

    Attributes:
        streams: at once, within the budget.
        at_least: whether no more were tried.
        source: GPU, date and file.
    """

    streams: int
    at_least: bool
    source: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """Both models; for each what it carries, or why that is not known.

    Attributes:
        stt: Parakeet.
        tts: Qwen3-TTS.
    """

    stt: Carried | str
    tts: Carried | str


def newest(folder: Path, budgets: Budgets) -> Gpu:
    """The newest report on a GPU below a folder, for each model.

    Raises:
        BadInput: a report is not what ``make bench-models`` writes.
    """
    found = Gpu(f"not measured: {RUN}", f"not measured: {RUN}")
    for path in sorted(folder.glob(REPORTS)):
        each = read(path, budgets)
        found = Gpu(
            each.stt if isinstance(each.stt, Carried) else found.stt,
            each.tts if isinstance(each.tts, Carried) else found.tts,
        )
    return found


def read(path: Path, budgets: Budgets) -> Gpu:
    """One report.

    Raises:
        BadInput: it is not what ``make bench-models`` writes.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(f"{path} is no JSON: {error}") from None
    try:
        if report["device"] == "cpu":
            return Gpu(*[f"not measured on a GPU ({path.name}): {RUN}"] * 2)
        where = f"{report['device']}, {report['made'][:10]}, {path.name}"
        stt, tts = report.get("stt"), report.get("tts")
        return Gpu(
            _carried(where, _hearing(stt["rows"]), lambda row: _heard(row, budgets))
            if stt
            else f"not in {path.name}: {RUN}",
            _carried(where, tts["rows"], lambda row: _spoken(row, budgets))
            if tts
            else f"not in {path.name}: {RUN}",
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} is no report of make bench-models: {type(error).__name__}: {error}"
        ) from None


def _hearing(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With interim results, as the gateway asks for them."""
    return [
        row
        for row in rows
        if row["utterance s"] == UTTERANCE and row["interim results"] == "yes"
    ]


def _heard(row: Mapping[str, Any], budgets: Budgets) -> bool:
    return float(row["p95"]) <= budgets.stt


def _spoken(row: Mapping[str, Any], budgets: Budgets) -> bool:
    return (
        float(row["first audio p95"]) <= budgets.tts
        and float(row["RTF p95"]) < 1
        and float(row["longest gap ms"]) <= _LATE_MS
    )


def _carried(
    where: str, rows: list[dict[str, Any]], kept: Callable[[Mapping[str, Any]], bool]
) -> Carried | str:
    """The last row before the first that was not kept to, or was not run any more."""
    streams = 0
    for row in sorted(rows, key=lambda each: int(each["streams"])):
        if "not run" in row.values() or not kept(row):
            break
        streams = int(row["streams"])
    else:
        if streams:
            return Carried(streams, True, where)
    if not streams:
        return f"not one stream within its budget ({where})"
    return Carried(streams, False, where)
