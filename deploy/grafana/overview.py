"""The first page: how turns go, where their time goes, and what is wrong."""

from deploy.grafana.curves import WHOLE, lines, rare, stack
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.kinds import heat, number, shares
from deploy.grafana.panels import BAD, GOOD, POOR, Panel, Query
from deploy.grafana.queries import (
    RANGE,
    SHARES,
    alarming,
    budget,
    burnt,
    grown,
    kept,
    left,
    mean,
    objective,
    of,
    quantile,
    rate,
)

_TURNS = of("gateway")
_LEFT = ((None, BAD), (0.0, POOR), (0.25, GOOD))
_SPOKEN = "antiphon_response_latency_seconds"
_SHARE = "antiphon_turn_stage_seconds"


def _burning(title: str, name: str, about: str) -> Panel:
    """How fast an error budget is spent, as the alerts see it."""
    return lines(
        title,
        about,
        "short",
        Query(burnt(name, "5m"), "5 minutes"),
        Query(burnt(name, "1h"), "1 hour"),
        Query(burnt(name, "6h"), "6 hours"),
        Query(alarming(name, "1h"), "alert: 1 hour"),
        Query(alarming(name, "6h"), "alert: 6 hours"),
        width=8,
    )


def _percentiles() -> str:
    """A quantile of every share, for each of a few percentiles."""
    labelled = (
        f'label_replace({quantile(q, _SHARE, _TURNS, "stage", RANGE)}, "percentile", "{name}", "", "")'
        for q, name in (
            ("0.5", "p50"),
            ("0.9", "p90"),
            ("0.95", "p95"),
            ("0.99", "p99"),
        )
    )
    return " or ".join(labelled)


_NOW = Row(
    "Do turns go well?",
    [
        number(
            "Turns within budget",
            "Spoken answers whose response latency kept to the budget of the whole turn, within the time shown; "
            "beside it what is aimed at. Where it falls short, the overruns further down say which share did it.",
            "percentunit",
            Query(kept("within_budget", RANGE), "within budget", once=True),
            Query(objective("within_budget"), "objective", once=True),
            decimals=1,
        ),
        number(
            "Time: error budget left",
            "How much of the turns that may be late within the time shown has not been used. "
            "At 0 as many were late as the objective allows.",
            "percentunit",
            Query(left("within_budget", RANGE), "left", once=True),
            steps=_LEFT,
            decimals=0,
        ),
        number(
            "Turns answered",
            "Turns that did not fail, within the time shown; beside it what is aimed at.",
            "percentunit",
            Query(kept("answered", RANGE), "answered", once=True),
            Query(objective("answered"), "objective", once=True),
            decimals=1,
        ),
        number(
            "Failures: error budget left",
            "How much of the turns that may fail within the time shown has not been used.",
            "percentunit",
            Query(left("answered", RANGE), "left", once=True),
            steps=_LEFT,
            decimals=0,
        ),
        number(
            "Alerts firing",
            "Their lines are drawn through all panels. docs/runbook.md has a section for each.",
            "short",
            Query(
                'count(ALERTS{alertname=~"Antiphon.*",alertstate="firing"}) or vector(0)',
                "firing",
            ),
            steps=((None, GOOD), (1.0, BAD)),
        ),
        number(
            "Processes that do not answer",
            "Targets whose /metrics could not be read just now.",
            "short",
            Query('count(up{job=~"antiphon-.*"} == 0) or vector(0)', "down"),
            steps=((None, GOOD), (1.0, BAD)),
        ),
        _burning(
            "Burn rate: late turns",
            "within_budget",
            "How fast the error budget is spent: at 1 it lasts exactly as long as the objective is reckoned for. "
            "Short windows tell of now, long ones of what counts. Dashed: where an alert begins.",
        ),
        _burning(
            "Burn rate: failed turns", "answered", "As beside, for turns that failed."
        ),
        stack(
            "Turns by outcome",
            "How turns ended, a minute. Interrupted is how people talk; failed is not.",
            "opm",
            Query(
                f"60 * {rate('antiphon_turns_total', _TURNS, 'outcome')}", "{{outcome}}"
            ),
            width=8,
        ),
    ],
)

_LATENCY = Row(
    "How long does the user wait?",
    [
        lines(
            "Response latency",
            "End of the user's speech to the first audio byte of the answer. Dots are single turns: "
            "a click on one leads to its trace. Dashed: the budget of a whole turn.",
            "s",
            Query(quantile("0.5", _SPOKEN, _TURNS), "p50"),
            Query(quantile("0.95", _SPOKEN, _TURNS), "p95", exemplars=True),
            Query(quantile("0.99", _SPOKEN, _TURNS), "p99"),
            Query(budget("total"), "budget"),
        ),
        heat(
            "Response latency: every turn",
            "Turns by how long the user waited. Two bands mean two kinds of turns: look what tells them apart.",
            Query(
                grown(f"{_SPOKEN}_bucket", _TURNS, "le"),
                "{{le}}",
                exemplars=True,
                form="heatmap",
            ),
        ),
    ],
)

_WATERFALL = Row(
    "Where does the time go?",
    [
        shares(
            "Waterfall by percentile",
            "Each share's percentile within the time shown, end to end. A turn that is slow in one share need not be slow "
            "in the next, so a bar is longer than the same percentile of response latency.",
            Query(_percentiles(), once=True, form="table"),
        ),
        stack(
            "Waterfall at $quantile, over time",
            "As beside, at the percentile that is chosen above. The stages' shares count in full, "
            "also what of them was hidden by answering ahead. Dashed: the budget of a whole turn.",
            "s",
            *(
                Query(
                    quantile("$quantile", _SHARE, of("gateway", f'stage="{share}"')),
                    share,
                )
                for share in SHARES
            ),
            Query(budget("total"), "budget"),
            width=8,
        ),
        stack(
            "Mean waterfall, over time",
            "Means add up: the whole stack, less what was saved, is the mean response latency, drawn as a line.",
            "s",
            *(
                Query(mean(_SHARE, of("gateway", f'stage="{share}"')), share)
                for share in SHARES
            ),
            Query(mean(_SPOKEN, _TURNS), WHOLE),
            width=8,
        ),
        lines(
            "Overruns by share",
            "Of all spoken answers, those in which a share took longer than its budget. "
            "Dashed: as many as the objective allows. The highest line is where to look: that stage's own page.",
            "percentunit",
            Query(
                f"{grown('antiphon_budget_overruns_total', _TURNS, 'stage')} / ignoring(stage) group_left "
                f"{grown(f'{_SPOKEN}_count', _TURNS)}",
                "{{stage}}",
            ),
            Query(f"1 - {objective('within_budget')}", "budget: may be late"),
        ),
        lines(
            "Shares, p95",
            "The same percentile of each share, side by side.",
            "s",
            Query(
                quantile("0.95", _SHARE, _TURNS, "stage"), "{{stage}}", exemplars=True
            ),
        ),
    ],
)

_AHEAD = Row(
    "Answering ahead, and being interrupted",
    [
        stack(
            "Speculation by outcome",
            "Answers begun before their turn was decided, a minute. Used ones hid their making; "
            "resumed ones were begun while the user only paused.",
            "opm",
            Query(
                f"60 * {rate('antiphon_speculations_total', _TURNS, 'outcome')}",
                "{{outcome}}",
            ),
            width=8,
        ),
        lines(
            "What speculation saved, a turn",
            "Work of the stages that was done while the silence was waited for anyway: "
            "the sum of all shares less the response latency, on average.",
            "s",
            Query(
                f"({rate(f'{_SHARE}_sum', _TURNS)} - {rate(f'{_SPOKEN}_sum', _TURNS)}) / "
                f"{rate(f'{_SPOKEN}_count', _TURNS)}",
                "saved",
            ),
            width=8,
        ),
        lines(
            "What speculation cost",
            "Made for answers that nobody got: seconds of audio and pieces of text, a second.",
            "short",
            Query(
                rate("antiphon_speculation_wasted_audio_seconds_total", _TURNS),
                "seconds of audio",
            ),
            Query(
                rate("antiphon_speculation_wasted_tokens_total", _TURNS),
                "pieces of text",
            ),
            width=8,
        ),
        lines(
            "Interruptions, of all turns",
            "Answers that were cut off, by whom. If it rises, answers are too long, too early, or beside the point.",
            "percentunit",
            Query(
                f"{grown('antiphon_interruptions_total', _TURNS, 'by')} / ignoring(by) group_left "
                f"{grown('antiphon_turns_total', _TURNS)}",
                "{{by}}",
            ),
            width=8,
        ),
        rare(
            "Failures by stage and code",
            "Turns that a stage failed, a minute, with the gRPC status that it gave.",
            "opm",
            Query(
                f"60 * {rate('antiphon_stage_failures_total', _TURNS, 'stage, code')}",
                "{{stage}} {{code}}",
            ),
            f"60 * {rate('antiphon_stage_failures_total', _TURNS)}",
            width=8,
        ),
        rare(
            "Replicas asked again",
            "Calls that were taken to another replica, a minute, and why: the user noticed nothing, but something is wrong.",
            "opm",
            Query(
                f"60 * {rate('antiphon_replicas_asked_again_total', _TURNS, 'stage, reason')}",
                "{{stage}} {{reason}}",
            ),
            f"60 * {rate('antiphon_replicas_asked_again_total', _TURNS)}",
            width=8,
        ),
    ],
)

OVERVIEW = Dashboard(
    "antiphon-overview",
    "Antiphon / Overview",
    "How turns go, where their time goes, and what is wrong.",
    "gateway",
    (_NOW, _LATENCY, _WATERFALL, _AHEAD),
    choices=(("quantile", "Percentile", ("0.5", "0.9", "0.95", "0.99"), "0.95"),),
)
