"""Which turns are shown, and what they have in common."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from antiphon.cli.trace.document import Turn
from antiphon.cli.trace.picture import TOTAL
from antiphon.cli.waterfall import STAGES

FAILED = "failed"
"""Outcome of a turn that failed."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which turns are shown; a turn that is slow or failed is shown if either is asked for.

    Attributes:
        conversation: beginning of a conversation's id; empty: all conversations.
        slow: turns in which something took longer than its budget.
        failed: turns that failed.
    """

    conversation: str = ""
    slow: bool = False
    failed: bool = False

    @property
    def everything(self) -> bool:
        """Whether no turn is left out."""
        return self == Choice()

    def of(self, turns: Iterable[Turn]) -> tuple[Turn, ...]:
        """Those of the turns, in the same order."""
        return tuple(turn for turn in turns if self._has(turn))

    def _has(self, turn: Turn) -> bool:
        if not turn.conversation.startswith(self.conversation):
            return False
        if not self.slow and not self.failed:
            return True
        slow = self.slow and bool(turn.overruns)
        return slow or (self.failed and turn.outcome == FAILED)


@dataclass(frozen=True, slots=True)
class Worst:
    """The share that turns have waited for most, against its budget.

    Attributes:
        share: its name.
        over: turns in which it took longer than its budget.
        most: the longest that it took, in seconds.
        budget: of that turn, in seconds.
    """

    share: str
    over: int
    most: float
    budget: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What turns have in common.

    Attributes:
        turns: how many there are.
        failed: of them.
        measured: those with a response latency.
        within: of those, the ones that kept to their budget.
        p50: half of the response latencies are at most this, in seconds; None without any.
        p95: 95 % of them are.
        worst: the share that went over its budget most often, or came nearest to it; None without any.
    """

    turns: int
    failed: int
    measured: int
    within: int
    p50: float | None
    p95: float | None
    worst: Worst | None


def summary(turns: Sequence[Turn]) -> Summary:
    """Sum turns up."""
    measured = [turn for turn in turns if turn.total is not None]
    totals = sorted(turn.total for turn in measured if turn.total is not None)
    return Summary(
        turns=len(turns),
        failed=sum(turn.outcome == FAILED for turn in turns),
        measured=len(measured),
        within=sum(TOTAL not in turn.overruns for turn in measured),
        p50=_rank(totals, 0.5),
        p95=_rank(totals, 0.95),
        worst=_worst(measured),
    )


def _rank(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank: a value that was measured, whatever their number."""
    if not ordered:
        return None
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _worst(turns: Sequence[Turn]) -> Worst | None:
    found = []
    for share in STAGES:
        taken = [
            (turn.shares[share], turn.budgets[share])
            for turn in turns
            if turn.shares and share in turn.shares and turn.budgets.get(share)
        ]
        if taken:
            most, budget = max(taken, key=lambda each: each[0] / each[1])
            over = sum(share in turn.overruns for turn in turns)
            found.append(Worst(share, over, most, budget))
    return max(found, key=lambda w: (w.over, w.most / w.budget), default=None)
