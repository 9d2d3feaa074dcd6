"""The last turns, as they went: what `GET /turns` gives, whether anybody collects traces or not."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.conversation.commands import TellTurnEnded
from gateway.conversation.values import Failure, Outcome
from gateway.conversation.waterfall import SHARES, Waterfall
from gateway.observing.counting import code_name
from gateway.observing.spans import TimedSpan
from gateway.observing.turn import TurnTrace
from services.runtime.telemetry import tracing
from services.runtime.telemetry.budgets import Budgets

VERSION = 1
"""Of the document; raised when a reader of the one before would misread it."""

MOST = 200
"""Turns that are kept: about a quarter of an hour of one conversation, and a few hundred kilobytes."""

SHOWN = 20
"""Turns that are given where nobody says how many."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """A turn that is over; of what was said, nothing is left in it."""

    conversation_id: str
    trace: TurnTrace
    outcome: Outcome
    waterfall: Waterfall | None
    failure: Failure | None
    ended_at: float


class Recent:
    """Keeps the last turns of all conversations, and none of their words. Safe to use from any thread.

    Args:
        budgets: that turns are held to.
        settings: those that decide how soon an answer comes, to be told beside the turns.
    """

    def __init__(
        self,
        budgets: Budgets,
        settings: Mapping[str, str | float | bool] | None = None,
    ) -> None:
        self._budgets = budgets
        self._settings = settings or {}
        self._turns: deque[_Finished] = deque(maxlen=MOST)
        self._lock = threading.Lock()

    def add(
        self,
        conversation_id: str,
        trace: TurnTrace,
        ended: TellTurnEnded,
        ended_at: float,
    ) -> None:
        """A turn is over; calls of its that are not are shown as if they ended with it.

        Args:
            conversation_id: as the client knows it.
            trace: of the turn.
            ended: what became of it.
            ended_at: on the driver's clock.
        """
        with self._lock:
            self._turns.append(
                _Finished(
                    conversation_id,
                    trace,
                    ended.outcome,
                    ended.waterfall,
                    ended.failure,
                    ended_at,
                )
            )

    def page(self, query: Mapping[str, str]) -> object:
        """What ``GET /turns?last=20`` gives.

        Raises:
            ValueError: the query asks for anything else.
        """
        if unknown := set(query) - {"last"}:
            raise ValueError(f"{min(unknown)}: there is only last")
        last = query.get("last", str(SHOWN))
        if not (last.isdecimal() and last.isascii() and 1 <= int(last) <= MOST):
            raise ValueError(f"last: is {last[:20]!r}; allowed: 1 to {MOST}")
        return self.document(int(last))

    def document(self, last: int) -> dict[str, object]:
        """The last turns, newest last; seconds throughout.

        Args:
            last: how many, at most.
        """
        with self._lock:
            turns = list(self._turns)[-last:]
        return {
            "version": VERSION,
            "gateway": {
                "version": tracing.VERSION,
                "budgets": dict(self._budgets.shares),
                "objectives": dict(self._budgets.objectives),
                "settings": dict(self._settings),
            },
            "turns": [self._turn(turn) for turn in turns],
        }

    def _turn(self, turn: _Finished) -> dict[str, object]:
        trace, waterfall, failure = turn.trace, turn.waterfall, turn.failure
        began = datetime.fromtimestamp(trace.clock.seconds(trace.root.start), UTC)
        budgets = waterfall.budgets if waterfall else self._budgets.of(trace.model)
        shares = (
            {share: _seconds(waterfall.share(share)) for share in SHARES}
            if waterfall
            else None
        )
        return {
            "conversation": turn.conversation_id,
            "turn": trace.number,
            "trace_id": trace.root.trace_id,
            "began": began.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "outcome": turn.outcome.value,
            "route": self._budgets.route(trace.model),
            "total": _seconds(waterfall.total) if waterfall else None,
            "shares": shares,
            "saved": _seconds(waterfall.saved) if waterfall else None,
            "overruns": list(waterfall.overruns) if waterfall else [],
            "budgets": dict(budgets),
            "failure": {"stage": failure.stage.value, "code": code_name(failure.code)}
            if failure
            else None,
            "spans": [_span(span, turn) for span in list(trace.spans)],
        }


def _span(span: TimedSpan, turn: _Finished) -> dict[str, object]:
    began = turn.trace.root.start
    end = span.end
    if end is None:
        end = max(span.start, turn.ended_at)
    return {
        "name": str(span.name),
        "start": _seconds(span.start - began),
        "end": _seconds(end - began),
        "attributes": {
            str(name): value for name, value in span.attributes.copy().items()
        },
    }


def _seconds(seconds: float) -> float:
    """Rounded to microseconds: more is noise."""
    return round(seconds, 6)
