"""A turn as lanes on one time axis, whoever draws them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from antiphon.cli.trace.document import Span, Turn
from antiphon.cli.waterfall import STAGES
from services.runtime.telemetry import names

TOTAL = "total"

USED = "used"
"""Outcome of a draft that became the answer."""

_SHARE_OF: Mapping[str, str] = {
    names.ENDPOINTING_SPAN: "endpointing",
    names.TRANSCRIBE_SPAN: "stt",
    names.GENERATE_SPAN: "llm",
    names.SYNTHESIZE_SPAN: "tts",
}
"""The share of the waterfall that a span explains."""

_WORK = (names.GENERATE_SPAN, names.SYNTHESIZE_SPAN)
"""What a draft is made of."""

_FINE = ("OK", "CANCELLED")
"""Status codes of RPCs that nobody has to look at: what is not needed any more is cancelled."""

_BEFORE = 0.5
"""How much of the axis may lie before the end of the speech, in parts of what lies behind it."""

_BEHIND = 1.04
"""How far the axis goes on behind its last instant, so that what ends there can be told from what goes on."""

_STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between ticks."""


class State(Enum):
    """What is to be seen of a lane at once."""

    PLAIN = "plain"
    OVER = "over"
    FAILED = "failed"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the picture; instants are seconds since the origin of its axis.

    Attributes:
        name: of the span, ``gateway`` for the gateway's own share, or ``total``.
        share: of the response latency that it explains; empty if none.
        depth: 1 for what belongs to the draft above, else 0.
        start: when it began.
        end: when it ended.
        counted: from when to when it counts in the response latency; None for what does not.
        ahead: how much of that, from its beginning on, ran while the silence was waited for, in seconds.
        budget: seconds that its share may take; None if it has none.
        state: what is to be seen at once.
        notes: what else there is to know, in a few words each.
    """

    name: str
    share: str
    depth: int
    start: float
    end: float
    counted: tuple[float, float] | None
    ahead: float
    budget: float | None
    state: State
    notes: tuple[str, ...]

    @property
    def took(self) -> float:
        """What counts of it, or else how long it was; seconds."""
        start, end = self.counted or (self.start, self.end)
        return end - start


@dataclass(frozen=True, slots=True)
class Picture:
    """A turn to be drawn.

    Time begins where the user's speech ended; where nobody waited for that, at the first span.

    Attributes:
        lanes: from top to bottom.
        start: of the axis, in seconds; not after 0.
        end: of the axis. A turn within its budget ends there where the budget does, so that turns can be compared.
        latency: seconds to the first sound of the answer; None in a turn that has none.
    """

    lanes: tuple[Lane, ...]
    start: float
    end: float
    latency: float | None

    def ticks(self, most: int) -> list[float]:
        """Round instants on the axis from 0 on, at most so many."""
        step = next(
            (step for step in _STEPS if self.end / step < most), self.end / most
        )
        return [step * number for number in range(int(self.end / step) + 1)]


def amount(seconds: float) -> str:
    """A time for people: milliseconds below a second."""
    if abs(seconds) < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.{2 if abs(seconds) < 9.995 else 1}f} s"


def picture(turn: Turn) -> Picture:
    """Lay out a turn."""
    origin = _origin(turn)
    counted = _counted(turn, origin)
    lanes = [
        _lane(turn, span, depth, in_vain, origin, counted)
        for span, depth, in_vain in _ordered(turn)
    ]
    latency = turn.total if turn.shares is not None else None
    if latency is not None:
        # What the spans do not explain, and the sum of it all.
        lanes += [_sum(turn, name, counted[name]) for name in ("gateway", TOTAL)]
        end = max(latency, turn.budgets.get(TOTAL, 0.0)) * _BEHIND
        drafts = [lane.start for lane in lanes if lane.name == names.SPECULATE_SPAN]
        start = min([0.0, *(at for at in drafts if at >= -end * _BEFORE)])
    else:
        start = 0.0
        ends = (
            lane.start if lane.name == names.PLAYOUT_SPAN else lane.end
            for lane in lanes
        )
        end = max(ends, default=0.0) * _BEHIND
    return Picture(tuple(lanes), start, max(end, start + 0.001), latency)


def given_up(span: Span) -> bool:
    """Whether it is an answer that was begun for nothing."""
    if span.name != names.SPECULATE_SPAN:
        return False
    return span.attributes.get(names.SPECULATION_OUTCOME, USED) != USED


def _origin(turn: Turn) -> float:
    """Seconds since the turn began: the end of the user's speech, or the first thing that took time."""
    waits = [s.start for s in turn.spans if s.name == names.ENDPOINTING_SPAN]
    if waits:
        return waits[-1]
    return min((span.start for span in turn.spans), default=0.0)


def _counted(turn: Turn, origin: float) -> dict[str, tuple[float, float]]:
    """When each share counts, from the end of the speech on; empty without a waterfall.

    The prompt leaves with the transcript, so that `stt` ends where `generate` begins; the shares behind it follow each
    other (conversation.proto, `Waterfall`). The gateway's own is the rest, and ends with the total.
    """
    if turn.shares is None or turn.total is None:
        return {}
    share = {name: max(turn.shares.get(name, 0.0), 0.0) for name in STAGES}
    written = [
        span.start - origin
        for span, _, in_vain in _ordered(turn)
        if span.name == names.GENERATE_SPAN and not in_vain
    ]
    saved = max(turn.saved or 0.0, 0.0)
    prompt = written[-1] if written else share["endpointing"] - saved + share["stt"]
    clause = prompt + share["llm"]
    return {
        "endpointing": (0.0, share["endpointing"]),
        "stt": (prompt - share["stt"], prompt),
        "llm": (prompt, clause),
        "tts": (clause, clause + share["tts"]),
        "gateway": (turn.total - share["gateway"], turn.total),
        TOTAL: (0.0, turn.total),
    }


def _ordered(turn: Turn) -> Iterable[tuple[Span, int, bool]]:
    """Spans as they are to be read: by their beginning, what belongs to a draft below it.

    Yields:
        span, depth, and whether it was for nothing.
    """
    order = list(_SHARE_OF)
    spans = sorted(
        turn.spans,
        key=lambda span: (
            span.start,
            order.index(span.name) if span.name in order else -1,
        ),
    )
    drafts = {
        _revision(span): span for span in spans if span.name == names.SPECULATE_SPAN
    }
    for span in spans:
        if span.name == names.SPECULATE_SPAN:
            yield span, 0, given_up(span)
            for child in spans:
                if _draft_of(child, drafts) is span:
                    yield child, 1, given_up(span)
        elif _draft_of(span, drafts) is None:
            yield span, 0, False


def _draft_of(span: Span, drafts: Mapping[int | None, Span]) -> Span | None:
    if span.name not in _WORK or span.attributes.get(names.SPECULATIVE) is False:
        return None
    return drafts.get(_revision(span))


def _revision(span: Span) -> int | None:
    """Which attempt at the turn it worked for; None where it does not say so by a number."""
    revision = span.attributes.get(names.REVISION)
    return revision if isinstance(revision, int) else None


def _lane(
    turn: Turn,
    span: Span,
    depth: int,
    in_vain: bool,
    origin: float,
    counted: Mapping[str, tuple[float, float]],
) -> Lane:
    share = _SHARE_OF.get(span.name, "")
    part = None if in_vain else counted.get(share)
    start, end = span.start - origin, span.start - origin + span.seconds
    if not counted and not in_vain and span.name != names.PLAYOUT_SPAN:
        part = (start, end)
    ahead = 0.0
    if counted and part is not None and share != "endpointing":
        decided = counted["endpointing"][1]
        ahead = max(min(part[1], decided) - part[0], 0.0)
    budget = turn.budgets.get(share)
    failure = _failure(turn, span, share, in_vain)
    notes = []
    if in_vain:
        state = State.GIVEN_UP
    elif failure:
        state = State.FAILED
        notes.append(failure)
    elif share in turn.overruns and counted:
        state = State.OVER
    else:
        state = State.PLAIN
    if state is State.OVER and budget is not None and part is not None:
        notes.append(f"{amount(part[1] - part[0] - budget)} over")
    if span.name == names.SPECULATE_SPAN:
        notes.append(str(span.attributes.get(names.SPECULATION_OUTCOME, "")))
    tries = span.attributes.get(names.TRIES)
    if isinstance(tries, int) and tries > 1:
        notes.append(f"{tries} tries")
    return Lane(
        name=span.name,
        share=share,
        depth=depth,
        start=start,
        end=end,
        counted=part,
        ahead=ahead,
        budget=budget,
        state=state,
        notes=tuple(note for note in notes if note),
    )


def _failure(turn: Turn, span: Span, share: str, in_vain: bool) -> str:
    """Why it failed, in a word; empty if it did not."""
    if in_vain:
        return ""
    code = str(span.attributes.get(names.RPC_STATUS_CODE, "OK"))
    if code not in _FINE:
        return code
    if turn.failure is None or turn.failure.stage != share or code != "OK":
        return ""
    return turn.failure.code


def _sum(turn: Turn, name: str, part: tuple[float, float]) -> Lane:
    over = name in turn.overruns
    budget = turn.budgets.get(name)
    notes = (f"{amount(part[1] - part[0] - budget)} over",) if over and budget else ()
    state = State.OVER if over else State.PLAIN
    return Lane(name, name, 0, *part, part, 0.0, budget, state, notes)
