"""Turns in a terminal, or in a log: a headline, then its lanes on one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from rich.console import Console, Group, RenderableType
from rich.text import Text

from antiphon.cli.trace.choice import FAILED, Summary
from antiphon.cli.trace.document import Gateway, Turn, shown
from antiphon.cli.trace.picture import TOTAL, Lane, Picture, State, amount, picture
from antiphon.cli.waterfall import COLOURS

ID_LETTERS = 8
"""Of a conversation's id: enough to tell conversations apart, and `--conversation` takes them."""

_NAME_CELLS = 15
_NUMBER_CELLS = 8
_NOTE_CELLS = 14
_MOST_BAR_CELLS = 80
_LEAST_BAR_CELLS = 12
_WIDE = 70
"""Cells from which on short notes have a place beside the bars."""


@dataclass(frozen=True, slots=True)
class Letters:
    """What bars are made of.

    Attributes:
        counted: what counts in the response latency.
        ahead: the same, while the silence was waited for.
        open: what runs and does not count.
        given_up: what ran for nothing.
        budget: the end of a budget.
        before: it began before the axis does.
        behind: it goes on behind the axis.
    """

    counted: str
    ahead: str
    open: str
    given_up: str
    budget: str
    before: str
    behind: str


BLOCKS = Letters("█", "░", "─", "┄", "┃", "◂", "▸")
ASCII = Letters("#", "-", ".", "~", "|", "<", ">")


def letters_for(console: Console) -> Letters:
    """What the output can show."""
    return BLOCKS if (console.encoding or "").lower().startswith("utf") else ASCII


def turn_drawing(
    turn: Turn, width: int, letters: Letters = BLOCKS, zone: tzinfo | None = None
) -> RenderableType:
    """One turn.

    Args:
        turn: to be drawn.
        width: cells of the output; 40 or more.
        letters: what bars are made of.
        zone: of the time in the headline; default: this machine's.
    """
    laid_out = picture(turn)
    wide = width >= _WIDE
    room = width - _NAME_CELLS - _NUMBER_CELLS - (_NOTE_CELLS if wide else 0)
    cells = min(max(room, _LEAST_BAR_CELLS), _MOST_BAR_CELLS)
    lines: list[RenderableType] = [_headline(turn, width, zone)]
    if turn.trace_id:
        lines.append(Text(f"  trace {shown(turn.trace_id)}", style="dim"))
    for lane in laid_out.lanes:
        lines += _lane(lane, laid_out, cells, letters, wide)
    if laid_out.lanes:
        lines.append(_ruler(laid_out, cells))
    return Group(*lines)


def summary_drawing(
    summed: Summary, gateway: Gateway, width: int, letters: Letters = BLOCKS
) -> RenderableType:
    """What the turns above have in common, and what the bars mean."""
    objective = gateway.objectives.get("within_budget")
    lines = [Text(_turns(summed.turns), style="bold")]
    if summed.failed:
        lines[0].append(f", {summed.failed} failed", style="bold red")
    if summed.measured and summed.p50 is not None and summed.p95 is not None:
        share = summed.within / summed.measured
        missed = objective is not None and share < objective
        meant = "" if objective is None else f", meant to be {objective:.0%}"
        lines.append(
            Text(
                f"  within budget  {summed.within} of {summed.measured} ({share:.0%}{meant})",
                style="red" if missed else "",
            )
        )
        lines.append(
            Text(f"  latency        p50 {amount(summed.p50)}, p95 {amount(summed.p95)}")
        )
    if (worst := summed.worst) is not None:
        how = f"over budget in {_turns(worst.over)}, " if worst.over else ""
        most = f"at worst {amount(worst.most)} of {amount(worst.budget)}"
        lines.append(
            Text(
                f"  worst share    {worst.share}: {how}{most}",
                style="red" if worst.over else "",
            )
        )
    meanings = (
        f"{letters.counted} counts in the latency",
        f"{letters.ahead} the same, ahead of the decision",
        f"{letters.open} open, does not count",
        f"{letters.given_up} draft given up",
        f"{letters.budget} budget",
    )
    legend = _flow([Text(meaning, style="dim") for meaning in meanings], width)
    return Group(*lines, legend)


def _headline(turn: Turn, width: int, zone: tzinfo | None) -> Text:
    when = turn.began.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    whose = f"{shown(turn.conversation)[:ID_LETTERS]} turn {turn.turn}"
    failed = turn.outcome == FAILED
    how = shown(turn.outcome)
    if turn.failure is not None:
        how += f" in {shown(turn.failure.stage)}: {shown(turn.failure.code)}"
    pieces = [
        Text(when, style="bold"),
        Text(whose),
        Text(how, style="red" if failed else ""),
    ]
    if turn.total is not None:
        budget = turn.budgets.get(TOTAL)
        of = "" if budget is None else f" of {amount(budget)}"
        over = TOTAL in turn.overruns
        style = "red" if over else "green"
        pieces.append(Text(f"{amount(turn.total)}{of}", style=style))
    if turn.saved and turn.saved >= 0.0005:
        pieces.append(Text(f"saved {amount(turn.saved)}"))
    if turn.overruns:
        over_budget = ", ".join(map(shown, turn.overruns))
        pieces.append(Text(f"over budget: {over_budget}", style="red"))
    return _flow(pieces, width)


def _flow(pieces: Sequence[Text], width: int) -> Text:
    """Pieces beside each other, each on one line with all of itself."""
    flowed, room = Text(), 0
    for piece in pieces:
        if flowed and len(piece) + 2 > room:
            flowed.append("\n")
            room = width
        elif flowed:
            flowed.append("  ")
            room -= 2
        else:
            room = width
        flowed.append_text(piece)
        room -= len(piece)
    return flowed


def _lane(
    lane: Lane, laid_out: Picture, cells: int, letters: Letters, wide: bool
) -> list[Text]:
    red = lane.state in (State.OVER, State.FAILED)
    if red:
        style = "red"
    elif lane.state is State.GIVEN_UP:
        style = "dim"
    else:
        style = COLOURS.get(lane.share, "")
    name = f"  {'  ' * lane.depth}{shown(lane.name)}"
    heading = "bold" if lane.name == TOTAL else style if style == "dim" else ""
    line = Text(f"{name[: _NAME_CELLS - 1]:<{_NAME_CELLS}}", style=heading)
    line.append(bar(lane, laid_out, cells, letters), style=style)
    line.append(f"{amount(lane.took):>{_NUMBER_CELLS}}", style=heading)
    notes = ", ".join(map(shown, lane.notes))
    if not notes:
        return [line]
    beside = wide and len(notes) + 2 <= _NOTE_CELLS
    indent = "  " if beside else "    " + "  " * lane.depth
    noted = Text(f"{indent}{notes}", style="red" if red else "dim")
    return [line.append_text(noted)] if beside else [line, noted]


def bar(lane: Lane, laid_out: Picture, cells: int, letters: Letters) -> str:
    """A lane's bar, as many cells as the axis has."""
    drawn = [" "] * cells

    def fill(start: float, end: float, letter: str) -> None:
        first, last = _cell(start, laid_out, cells), _cell(end, laid_out, cells)
        inside = end > laid_out.start and start < laid_out.end
        for at in range(
            max(first, 0), min(max(last, first + 1), cells) if inside else 0
        ):
            drawn[at] = letter

    given_up = lane.state is State.GIVEN_UP
    if lane.counted != (lane.start, lane.end):
        fill(lane.start, lane.end, letters.given_up if given_up else letters.open)
    if lane.counted is not None:
        start, end = lane.counted
        turning = start + lane.ahead
        if end > turning:
            fill(turning, end, letters.counted)
        if lane.ahead > 0:
            fill(start, turning, letters.ahead)
    began, ended = lane.start, lane.end
    if lane.counted is not None:
        began, ended = min(began, lane.counted[0]), max(ended, lane.counted[1])
    if began < laid_out.start - 0.0005:
        drawn[0] = letters.before
    if ended > laid_out.end:
        drawn[-1] = letters.behind
    shown = lane.state is State.OVER or lane.name == TOTAL
    if shown and lane.budget is not None and lane.counted is not None:
        at = _cell(lane.counted[0] + lane.budget, laid_out, cells)
        if 0 <= at < cells:
            drawn[at] = letters.budget
    return "".join(drawn)


def _ruler(laid_out: Picture, cells: int) -> Text:
    row = [" "] * cells
    free = 0
    for tick in laid_out.ticks(most=max(cells // 9, 2)):
        label = "0" if tick == 0 else amount(tick)
        at = _cell(tick, laid_out, cells)
        if at >= free and at + len(label) <= cells:
            row[at : at + len(label)] = label
            free = at + len(label) + 1
    return Text(" " * _NAME_CELLS + "".join(row).rstrip(), style="dim")


def _cell(at: float, laid_out: Picture, cells: int) -> int:
    return round((at - laid_out.start) / (laid_out.end - laid_out.start) * cells)


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def drawings(
    turns: Sequence[Turn], console: Console, zone: tzinfo | None = None
) -> list[RenderableType]:
    """Turns as the console shows them, a blank line behind each."""
    letters = letters_for(console)
    return [
        Group(turn_drawing(turn, console.width, letters, zone), "") for turn in turns
    ]
