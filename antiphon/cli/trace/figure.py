"""One turn in HTML: a sentence, its lanes, the whole of it in a strip, and all numbers in tables."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from html import escape

from antiphon.cli.trace.choice import FAILED
from antiphon.cli.trace.document import Scalar, Span, Turn
from antiphon.cli.trace.picture import (
    TOTAL,
    Lane,
    Picture,
    State,
    amount,
    given_up,
    picture,
)
from antiphon.cli.waterfall import STAGES
from services.runtime.telemetry import names

_MOST_TICKS = 7
_SOFT = 0.0005
"""Seconds that nobody sees."""


def article(turn: Turn, number: int) -> str:
    """One turn.

    Args:
        turn: to be shown.
        number: of the article on its page, from 1.
    """
    laid_out = picture(turn)
    kind = "failed" if turn.outcome == FAILED else "over" if turn.overruns else ""
    return "\n".join(
        (
            f'<article class="turn {kind}" id="turn-{number}">',
            _header(turn),
            '<p class="said">'
            + (
                f"<b>{escape(amount(turn.total))}</b> "
                if turn.total is not None
                else ""
            )
            + f'<span class="readout">{escape(sentence(turn))}</span></p>',
            _staff(turn, laid_out),
            _whole(turn),
            _numbers(turn),
            "</article>",
        )
    )


def sentence(turn: Turn) -> str:
    """What there is to know of a turn at once, in words."""
    words = []
    if turn.failure is not None:
        words.append(f"It failed in {turn.failure.stage}: {turn.failure.code}.")
    elif turn.outcome == FAILED:
        words.append("It failed.")
    shares = turn.shares or {}
    for share in turn.overruns:
        taken = turn.total if share == TOTAL else shares.get(share)
        budget = turn.budgets.get(share)
        whom = "The turn" if share == TOTAL else share
        if taken is None or budget is None:
            words.append(f"{whom} went over its budget.")
        else:
            words.append(
                f"{whom} took {amount(taken)}: {amount(taken - budget)} over its budget of {amount(budget)}."
            )
    if turn.total is not None and not turn.overruns:
        budget = turn.budgets.get(TOTAL)
        of = "" if budget is None else f" of {amount(budget)}"
        words.append(f"It kept to its budget{of}.")
    if turn.total is None and not words:
        words.append("Nothing was answered by speech, so there is no response latency.")
    if turn.saved is not None and turn.saved > _SOFT:
        words.append(
            f"{amount(turn.saved)} of work ran ahead of the decision and cost nothing."
        )
    if drafts := sum(map(given_up, turn.spans)):
        words.append(
            f"{drafts} {'draft was' if drafts == 1 else 'drafts were'} given up."
        )
    return " ".join(words)


def cell(text: str, kind: str = "") -> str:
    """A cell of a table."""
    return (
        f'<td class="{kind}">{escape(text)}</td>'
        if kind
        else f"<td>{escape(text)}</td>"
    )


def table(caption: str, columns: Sequence[str], rows: Iterable[str]) -> str:
    """A table that scrolls where it is too wide.

    Args:
        caption: what it shows.
        columns: their headings; those behind the first one are of numbers, unless they end with a space.
        rows: HTML of each.
    """
    heads = "".join(
        f'<th scope="col"{_number_class(at, column)}>{escape(column.rstrip())}</th>'
        for at, column in enumerate(columns)
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number_class(at: int, column: str) -> str:
    return ' class="number"' if at and not column.endswith(" ") else ""


def _header(turn: Turn) -> str:
    when = turn.began.astimezone(UTC)
    bad = " bad" if turn.outcome == FAILED else ""
    route = f"<span>route {escape(turn.route)}</span>" if turn.route else ""
    ids = f"conversation <code>{escape(turn.conversation)}</code>"
    if turn.trace_id:
        ids += f" trace <code>{escape(turn.trace_id)}</code>"
    return (
        f"<header><h2>Turn {turn.turn}</h2>"
        f'<span class="badge{bad}">{escape(turn.outcome)}</span>'
        f'<time datetime="{when.isoformat()}">{when:%H:%M:%S} UTC</time>'
        f'{route}<p class="ids">{ids}</p></header>'
    )


def _staff(turn: Turn, laid_out: Picture) -> str:
    if not laid_out.lanes:
        return ""
    axis = []
    for tick in laid_out.ticks(_MOST_TICKS):
        label = "0" if tick == 0 else amount(tick)
        axis.append(
            f'<i class="tick" {_placed(tick, tick, laid_out)}><span>{label}</span></i>'
        )
    budget = turn.budgets.get(TOTAL)
    if laid_out.latency is not None:
        if budget is not None:
            axis.append(f'<i class="limit" {_placed(budget, budget, laid_out)}></i>')
        at = _placed(laid_out.latency, laid_out.latency, laid_out)
        axis.append(f'<i class="arrival" {at}></i>')
    lanes = "".join(_lane(lane, laid_out) for lane in laid_out.lanes)
    return (
        f'<div class="staff" role="img" aria-label="{escape(_in_words(laid_out))}">'
        f'<div class="axis">{"".join(axis)}</div>{lanes}</div>'
    )


def _lane(lane: Lane, laid_out: Picture) -> str:
    bars = []
    if lane.counted is None or lane.name not in ("gateway", TOTAL):
        bars.append(_bar("open", lane.start, lane.end, laid_out))
    if lane.start < laid_out.start - _SOFT:
        bars.append(_bar("before", laid_out.start, laid_out.start, laid_out))
    if lane.counted is not None:
        start, end = lane.counted
        turning = start + lane.ahead
        if end - turning > _SOFT or not lane.ahead:
            bars.append(_bar("counted", turning, end, laid_out))
        if lane.ahead > 0:
            bars.append(_bar("ahead", start, turning, laid_out))
        if laid_out.latency is not None and lane.budget is not None:
            due = start + lane.budget
            if lane.name != TOTAL and due <= laid_out.end:
                bars.append(_bar("budget", due, due, laid_out))
    kinds = [
        "lane",
        lane.share,
        lane.state.value if lane.state is not State.PLAIN else "",
    ]
    kinds += ["child"] if lane.depth else []
    kinds += ["playout"] if lane.name == names.PLAYOUT_SPAN else []
    notes = f" <small>{escape(', '.join(lane.notes))}</small>" if lane.notes else ""
    return (
        f'<div class="{" ".join(filter(None, kinds))}"><span class="name">{escape(lane.name)}{notes}</span>'
        f'<span class="track">{"".join(bars)}</span><span class="took">{amount(lane.took)}</span></div>'
    )


def _bar(kind: str, start: float, end: float, laid_out: Picture) -> str:
    start, end = max(start, laid_out.start), min(end, laid_out.end)
    if end < start:
        return ""
    return f'<i class="{kind}" {_placed(start, end, laid_out)}></i>'


def _placed(start: float, end: float, laid_out: Picture) -> str:
    length = laid_out.end - laid_out.start
    at, size = (start - laid_out.start) / length, (end - start) / length
    return f'style="--from:{at:.4f};--size:{size:.4f}"'


def _in_words(laid_out: Picture) -> str:
    words = []
    for lane in laid_out.lanes:
        what = f"{lane.name} {amount(lane.took)}"
        if lane.state is State.OVER and lane.budget is not None:
            what += f", over its budget of {amount(lane.budget)}"
        elif lane.state is State.GIVEN_UP:
            what += ", given up"
        elif lane.state is State.FAILED:
            what += ", failed"
        words.append(what)
    return "; ".join(words)


def _whole(turn: Turn) -> str:
    """Speech, waiting and answer in proportion; only of a turn that was answered by speech."""
    waits = [s for s in turn.spans if s.name == names.ENDPOINTING_SPAN]
    plays = [s for s in turn.spans if s.name == names.PLAYOUT_SPAN]
    if turn.total is None or not waits or not plays:
        return ""
    parts = (
        ("heard", "speech", max(waits[-1].start, 0.0)),
        ("waited", "waited", turn.total),
        ("answer", "answer", plays[-1].seconds),
    )
    length = max(sum(seconds for _, _, seconds in parts), _SOFT)
    strip, key, at = [], [], 0.0
    for kind, name, seconds in parts:
        strip.append(_stretch(kind, at / length, seconds / length))
        key.append(f'<span class="{kind}">{name} {amount(seconds)}</span>')
        at += seconds
    drafts = [draft for draft in turn.spans if given_up(draft)]
    for draft in drafts:
        begun = min(max(draft.start, 0.0) / length, 1.0)
        strip.append(_stretch("draft", begun, min(draft.seconds / length, 1 - begun)))
    if drafts:
        key.append('<span class="draft">draft given up</span>')
    return f'<div class="whole" aria-hidden="true">{"".join(strip)}</div><p class="key">{"".join(key)}</p>'


def _stretch(kind: str, at: float, size: float) -> str:
    return f'<i class="{kind}" style="--from:{at:.4f};--size:{size:.4f}"></i>'


def _numbers(turn: Turn) -> str:
    tables = []
    if turn.shares is not None and turn.total is not None:
        taken = {
            **{name: turn.shares.get(name, 0.0) for name in STAGES},
            TOTAL: turn.total,
        }
        rows = []
        for name, seconds in taken.items():
            budget = turn.budgets.get(name)
            over = " over" if name in turn.overruns else ""
            rows.append(
                f'<tr class="{name}"><th scope="row">{name}</th>{cell(amount(seconds), f"number{over}")}'
                f"{cell('–' if budget is None else amount(budget), 'number')}</tr>"
            )
        saved = amount(turn.saved or 0.0)
        tables.append(
            table(
                f"Response latency: the shares, less the {saved} that ran ahead",
                ("share", "took", "budget"),
                rows,
            )
        )
    if turn.spans:
        tables.append(
            table(
                "Spans, from the beginning of the turn",
                ("span", "start", "took", "more "),
                (_span(span) for span in turn.spans),
            )
        )
    if not tables:
        return ""
    return f"<details><summary>Numbers</summary>{''.join(tables)}</details>"


def _span(span: Span) -> str:
    more = " ".join(f"{key}={said(value)}" for key, value in span.attributes.items())
    return (
        f'<tr><th scope="row">{escape(span.name)}</th>{cell(amount(span.start), "number")}'
        f"{cell(amount(span.seconds), 'number')}{cell(more, 'more')}</tr>"
    )


def said(value: Scalar | list[Scalar] | None) -> str:
    """An attribute or a setting, in letters."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ",".join(said(each) for each in value)
    return str(value)
