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

_COLOURS = {
    "endpointing": "blue",
    "stt": "cyan",
    "llm": "magenta",
    "tts": "green",
    "gateway": "white",
    "saved": "bright_black",
    "total": "bold",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the drawing.

    Attributes:
        name: of the stage, ``saved`` or ``total``.
        milliseconds: its share; ``saved`` is negative, for it is taken off.
        start: first cell.
        cells: how many; at least one where the share is not zero.
        over: it took longer than its budget.
    """

    name: str
    milliseconds: float
    start: int
    cells: int
    over: bool


def bars(waterfall: Waterfall, width: int = WIDTH) -> list[Bar]:
    """The shares in order, each beginning where the one before ended, then what was saved, then the total.

    Lengths are in proportion: all stages together fill ``width`` cells.
    """
    shares = {name: to_seconds(getattr(waterfall, name)) * 1000 for name in STAGES}
    saved, total = (
        to_seconds(waterfall.saved) * 1000,
        to_seconds(waterfall.total) * 1000,
    )
    scale = width / max(
        sum(max(share, 0) for share in shares.values()), total, saved, 1
    )
    over = set(waterfall.overruns)
    drawn, clock = [], 0.0
    for name, share in shares.items():
        drawn.append(_bar(name, share, clock, clock + share, scale, width, over))
        clock += max(share, 0)
    if saved:
        drawn.append(_bar("saved", -saved, clock - saved, clock, scale, width, over))
    drawn.append(_bar("total", total, 0, total, scale, width, over))
    return drawn


def _bar(
    name: str,
    share: float,
    start: float,
    end: float,
    scale: float,
    width: int,
    over: set[str],
) -> Bar:
    first = min(max(round(start * scale), 0), width - 1)
    last = min(max(round(end * scale), first), width)
    cells = max(last - first, 1 if share else 0)
    return Bar(name, share, first, cells, name in over)


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
        letter = light if bar.name == "saved" else full
        colour = "red" if bar.over else _COLOURS[bar.name]
        grid.add_row(
            Text(f"  {bar.name}", style="bold" if bar.name == "total" else ""),
            Text(" " * bar.start + letter * bar.cells, style=colour),
            f"{bar.milliseconds:.0f} ms",
            Text("over budget" if bar.over else "", style="red"),
        )
    return Group(Text(title, style="bold"), grid)


def as_json(waterfall: Waterfall) -> dict[str, object]:
    """The same numbers for scripts, in milliseconds."""
    names = (*STAGES, "saved", "total")
    numbers = {
        f"{name}_ms": round(to_seconds(getattr(waterfall, name)) * 1000, 1)
        for name in names
    }
    return {**numbers, "overruns": list(waterfall.overruns)}
