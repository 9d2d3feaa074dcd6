"""What the gateway counts of turns and conversations."""

import grpc

from gateway.conversation.commands import NoteSpeculation, TellTurnEnded
from gateway.conversation.values import Outcome, Speculated, Stage
from gateway.conversation.waterfall import SHARES, Waterfall
from services.runtime.telemetry import labels, metrics

LOST = "lost"
"""How a conversation ended that nobody brought to an end."""

_ASKED = tuple(stage.value for stage in (Stage.STT, Stage.LLM, Stage.TTS))
_CUT_BY = {Outcome.INTERRUPTED: "user", Outcome.CANCELLED: "client"}
_CODES = {int(code.value[0]): code.name for code in grpc.StatusCode}

Exemplar = dict[str, str] | None
"""Joins a measurement to a trace."""


def begin() -> None:
    """Have everything at zero that is counted here."""
    for metric in (
        metrics.TURNS,
        metrics.TURN_STAGE,
        metrics.BUDGET_OVERRUNS,
        metrics.INTERRUPTIONS,
        metrics.STAGE_FAILURES,
        metrics.SPECULATIONS,
        metrics.CONVERSATIONS,
    ):
        labels.at_zero(metric)
    labels.at_zero(metrics.REPLICAS_ASKED_AGAIN, stage=_ASKED)


def code_name(number: int) -> str:
    """What gRPC calls the status code with a number."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN.name)


def count_turn(ended: TellTurnEnded, cut: bool, exemplar: Exemplar) -> None:
    """A turn is over.

    Args:
        ended: what became of it.
        cut: whether its answer was stopped while it was played.
        exemplar: joins it to its trace.
    """
    metrics.TURNS.labels(ended.outcome.value).inc(exemplar=exemplar)
    if cut and (by := _CUT_BY.get(ended.outcome)) is not None:
        metrics.INTERRUPTIONS.labels(by).inc(exemplar=exemplar)
    if (failure := ended.failure) is not None:
        counter = metrics.STAGE_FAILURES
        code = code_name(failure.code)
        counter.labels(failure.stage.value, code).inc(exemplar=exemplar)
    if ended.waterfall is not None:
        _observe(ended.waterfall, exemplar)


def count_speculation(made: NoteSpeculation, exemplar: Exemplar) -> None:
    """It is known what became of a draft."""
    metrics.SPECULATIONS.labels(made.outcome.value).inc(exemplar=exemplar)
    if made.outcome is not Speculated.USED:
        metrics.SPECULATION_WASTED_TOKENS.inc(made.tokens)
        metrics.SPECULATION_WASTED_AUDIO.inc(made.audio)


def _observe(waterfall: Waterfall, exemplar: Exemplar) -> None:
    metrics.RESPONSE_LATENCY.observe(waterfall.total, exemplar)
    for share in SHARES:
        metrics.TURN_STAGE.labels(share).observe(waterfall.share(share), exemplar)
    for stage in waterfall.overruns:
        metrics.BUDGET_OVERRUNS.labels(stage).inc(exemplar=exemplar)
