"""Turns as one HTML page that needs nothing beside itself: no network, no script."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from importlib.resources import files

from antiphon.cli.trace.choice import FAILED, Summary, summary
from antiphon.cli.trace.document import Gateway, Turn
from antiphon.cli.trace.figure import article, cell, said, table
from antiphon.cli.trace.picture import TOTAL, amount
from antiphon.cli.waterfall import STAGES

_MARK = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#1d1b17"/>'
    '<path d="M4 7h24M4 11.5h24M4 16h24M4 20.5h24M4 25h24" stroke="#7d7668"/>'
    '<path d="M6 9h5v5H6zM13.5 13.5h5v5h-5zM21 18h5v5h-5z" fill="#ff8a5c"/></svg>'
)

_LEGEND = (
    ("counted", "counts in the response latency, which is drawn from the end of the user's speech on"),
    ("ahead", "the same, but ran while the silence was waited for, and cost nothing"),
    ("open", "was open, and does not count"),
    ("given-up", "a draft of an answer that was given up"),
    ("budget", "where the share's budget ends"),
    ("limit", "where the whole turn's budget ends"),
    ("arrival", "the first sound of the answer left for the client"),
)  # fmt: skip


def page(gateway: Gateway, turns: Sequence[Turn], made: datetime) -> str:
    """The page.

    Args:
        gateway: whose turns they are.
        turns: newest last, at least one.
        made: now.
    """
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    summed = summary(turns)
    headline, over = verdict(summed)
    articles = "\n".join(article(turn, at) for at, turn in enumerate(turns, 1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(headline)} · Antiphon trace</title>
<style>
{style}</style>
</head>
<body>
<p class="mark">{_MARK}Antiphon<small>gateway {escape(gateway.version)}<br>{_when(turns)}</small></p>
<main>
<h1 class="{"over" if over else ""}">{escape(headline)}</h1>
<p class="lead">{escape(_lead(summed))}</p>
{_figures(summed, gateway)}
{_columns(turns)}
{articles}
</main>
{_about(gateway, turns, made)}
</body>
</html>
"""


def verdict(summed: Summary) -> tuple[str, bool]:
    """What went wrong, in a line, and whether anything did."""
    wrong = []
    slow = summed.measured - summed.within
    if summed.failed:
        wrong.append(f"{_of(summed.failed, summed.turns)} failed")
    if slow:
        wrong.append(f"{_of(slow, summed.measured)} took longer than the budget")
    if wrong:
        return "; ".join(wrong), True
    if not summed.measured:
        return f"{_turns(summed.turns)}, none answered by speech", False
    if summed.measured == 1:
        return "1 turn, within its budget", False
    return f"{summed.measured} turns, all within their budget", False


def _lead(summed: Summary) -> str:
    worst = summed.worst
    if worst is None:
        return ""
    most = f"{amount(worst.most)} of {amount(worst.budget)}"
    if not worst.over:
        return f"Nearest to its budget came {worst.share}: {most}."
    return f"Most often over its budget was {worst.share}: in {_turns(worst.over)}, at worst {most}."


def _figures(summed: Summary, gateway: Gateway) -> str:
    if summed.p50 is None or summed.p95 is None:
        return ""
    share = summed.within / summed.measured
    objective = gateway.objectives.get("within_budget")
    missed = objective is not None and share < objective
    meant = "" if objective is None else f" <small>meant: {objective:.0%}</small>"
    shown = (
        ("half of the answers within", escape(amount(summed.p50)), False),
        ("95 % within", escape(amount(summed.p95)), False),
        ("turns within budget", f"{share:.0%}{meant}", missed),
    )
    rows = "".join(
        f'<div><dt>{name}</dt><dd class="{"over" if bad else ""}">{value}</dd></div>'
        for name, value, bad in shown
    )
    return f'<dl class="figures">{rows}</dl>'


def _columns(turns: Sequence[Turn]) -> str:
    """All turns side by side, each a link to its picture."""
    totals = [turn.total for turn in turns if turn.total is not None]
    if len(turns) < 2 or not totals:
        return ""
    budgets = {turn.budgets[TOTAL] for turn in turns if TOTAL in turn.budgets}
    top = max(*totals, *budgets, 0.001) * 1.1
    drawn = []
    for at, turn in enumerate(turns, 1):
        if turn.outcome == FAILED:
            kind, said = "failed", "failed"
        elif turn.total is None:
            kind, said = "none", turn.outcome
        else:
            kind, said = "over" if TOTAL in turn.overruns else "", amount(turn.total)
        label = escape(f"turn {turn.turn}: {said}")
        drawn.append(
            f'<a class="{kind}" href="#turn-{at}" aria-label="{label}" title="{label}">'
            f'<i style="--size:{(turn.total or 0.0) / top:.4f}"></i></a>'
        )
    # Routes may differ in their budgets; one line for all would be wrong then.
    limit = ""
    if len(budgets) == 1:
        (budget,) = budgets
        limit = (
            f'<span class="limit" style="--size:{budget / top:.4f}">'
            f"<span>budget {amount(budget)}</span></span>"
        )
    return f'<nav class="columns" aria-label="Turns, oldest first">{"".join(drawn)}{limit}</nav>'


def _about(gateway: Gateway, turns: Sequence[Turn], made: datetime) -> str:
    by_route: dict[str, Mapping[str, float]] = {"budget": gateway.budgets}
    for turn in turns:
        if turn.route and dict(turn.budgets) != dict(gateway.budgets):
            by_route[turn.route] = turn.budgets
    rows = [
        f'<tr><th scope="row">{share}</th>'
        + "".join(
            cell(amount(each[share]) if share in each else "–", "number")
            for each in by_route.values()
        )
        + "</tr>"
        for share in (*STAGES, TOTAL)
    ]
    tables = [table("Budgets", ("share", *by_route), rows)]
    if gateway.objectives:
        tables.append(
            table(
                "Objectives",
                ("turns that are meant to be", "at least"),
                (
                    f'<tr><th scope="row">{escape(name.replace("_", " "))}</th>{cell(f"{share:.1%}", "number")}</tr>'
                    for name, share in gateway.objectives.items()
                ),
            )
        )
    if gateway.settings:
        tables.append(
            table(
                "Settings",
                ("setting", "value"),
                (
                    f'<tr><th scope="row">{escape(name)}</th>{cell(said(value), "number")}</tr>'
                    for name, value in gateway.settings.items()
                ),
            )
        )
    legend = "".join(
        f'<dt><i class="{kind}"></i></dt><dd>{escape(meaning)}</dd>'
        for kind, meaning in _LEGEND
    )
    return (
        f'<footer class="about"><h2>How to read this</h2><dl class="legend">{legend}</dl>'
        f'<div class="tables">{"".join(tables)}</div>'
        f"<p>Made by <code>antiphon trace</code> {escape(version('antiphon'))} on "
        f'<time datetime="{made.isoformat()}">{made:%Y-%m-%d %H:%M} UTC</time>. '
        "It holds times and counts; nothing that anybody said.</p></footer>"
    )


def _when(turns: Sequence[Turn]) -> str:
    first, last = (turn.began.astimezone(UTC) for turn in (turns[0], turns[-1]))
    if first.date() == last.date():
        return f"{first:%Y-%m-%d, %H:%M} to {last:%H:%M} UTC"
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _of(some: int, count: int) -> str:
    if count == 1:
        return "The only turn"
    return f"{some} of {count} turns"


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"
