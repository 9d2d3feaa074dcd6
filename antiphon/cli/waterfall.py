"""A turn's waterfall as bars: where the response latency went."""

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from antiphon.v1.conversation_pb2 import Waterfall
from services.runtime.units import to_seconds

STAGES = ("endpointing", "stt", "llm", "tts", "gateway")
"""Shares of the total in the order in which they happen."""
WIDTH = 40
"""Cells of the longest bar."""

COLOURS = {
    "endpointing": "blue",
    "stt": "cyan",
    "llm": "magenta",
    "tts": "green",
    "gateway": "white",
    "total": "bold",
}
"""Of a share's bar."""

_INSTANT = 0.5
"""Milliseconds: what is closer together than this happens at the same time."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the drawing.

    Attributes:
        name: of the stage, or ``total``.
        milliseconds: its share.
        start: first cell.
        cells: how many; at least one where the share is not zero.
        ahead: how many of them, from the first on, lie before the end of the turn was decided.
        over: it took longer than its budget.
    """

    name: str
    milliseconds: float
    start: int
    cells: int
    ahead: int
    over: bool


def bars(waterfall: Waterfall, width: int = WIDTH) -> list[Bar]:
    """The shares where they lie in time, then the total.

    The silence that was waited for begins at 0. What runs after it begins earlier than its end by what was saved, and
    each share where the one before ended, so that the last one ends with the total
    (conversation.proto, `Waterfall`: total = endpointing + stt + llm + tts + gateway - saved).

    Lengths are in proportion; the last end is at ``width`` cells.
    """
    shares = {name: max(_milliseconds(waterfall, name), 0.0) for name in STAGES}
    total = _milliseconds(waterfall, "total")
    decided = shares["endpointing"]
    clock = max(decided - max(_milliseconds(waterfall, "saved"), 0.0), 0.0)
    spans = {"endpointing": (0.0, decided)}
    for name in STAGES[1:]:
        spans[name] = (clock, clock + shares[name])
        clock += shares[name]
    spans["total"] = (0.0, total)
    scale = width / max(*(end for _, end in spans.values()), 1.0)
    drawn = []
    for name, (start, end) in spans.items():
        first = min(max(round(start * scale), 0), width - 1)
        last = min(max(round(end * scale), first), width)
        cells = max(last - first, 1 if end > start else 0)
        ahead = 0
        if name in STAGES[1:] and start < decided - _INSTANT:
            later = 1 if end > decided + _INSTANT else 0
            ahead = min(max(round(decided * scale) - first, 0), cells - later)
        over = name in waterfall.overruns
        drawn.append(
            Bar(name, _milliseconds(waterfall, name), first, cells, ahead, over)
        )
    return drawn


def render(waterfall: Waterfall, title: str, plain_letters: bool) -> RenderableType:
    """A drawing for a terminal, or for a log.

    Args:
        waterfall: of one turn.
        title: the line above.
        plain_letters: the output knows ASCII only.
    """
    full, light = ("#", "-") if plain_letters else ("█", "░")
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(min_width=WIDTH, no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    for bar in bars(waterfall):
        cells = light * bar.ahead + full * (bar.cells - bar.ahead)
        colour = "red" if bar.over else COLOURS[bar.name]
        grid.add_row(
            Text(f"  {bar.name}", style="bold" if bar.name == "total" else ""),
            Text(" " * bar.start + cells, style=colour),
            f"{bar.milliseconds:.0f} ms",
            Text("over budget" if bar.over else "", style="red"),
        )
    lines: list[RenderableType] = [Text(title, style="bold"), grid]
    saved = round(_milliseconds(waterfall, "saved"))
    if saved > 0:
        lines.append(Text(f"  saved {saved} ms by answering ahead ({light})"))
    return Group(*lines)


def _milliseconds(waterfall: Waterfall, name: str) -> float:
    return to_seconds(getattr(waterfall, name)) * 1000


def as_json(waterfall: Waterfall) -> dict[str, object]:
    """The same numbers for scripts, in milliseconds."""
    names = (*STAGES, "saved", "total")
    numbers = {f"{name}_ms": round(_milliseconds(waterfall, name), 1) for name in names}
    return {**numbers, "overruns": list(waterfall.overruns)}
