"""What the pages of all stages have in common."""

from collections.abc import Sequence

from deploy.grafana.curves import lines, rare, stack
from deploy.grafana.dashboard import Row
from deploy.grafana.kinds import number
from deploy.grafana.panels import BAD, GOOD, POOR, Panel, Query
from deploy.grafana.queries import budget, mean, of, quantile, rate

_SHARE = "antiphon_turn_stage_seconds"
FULL = ((None, GOOD), (0.75, POOR), (0.95, BAD))
"""Colours of how full something is; the alert comes with refusals, not with these."""


def now(job: str) -> Row:
    """Replicas, places, refusals and errors of one kind of process, at this moment."""
    mine = of(job)
    return Row(
        "Now",
        [
            number(
                "Replicas that answer",
                "Processes whose metrics can be read.",
                "short",
                Query(f"sum(up{mine})", "up"),
                steps=((None, BAD), (1.0, GOOD)),
                empty="none",
            ),
            number(
                "Places taken",
                "Streams open, of those that all replicas carry in real time.",
                "percentunit",
                Query(places(mine), "taken"),
                steps=FULL,
                empty="none",
                decimals=0,
            ),
            number(
                "Streams open",
                "At all replicas together.",
                "short",
                Query(f"sum(antiphon_streams_open{mine})", "open"),
                empty="none",
            ),
            number(
                "Refused, a minute",
                "Streams that found no place and were sent to another replica, or back. More than none: more replicas.",
                "short",
                Query(
                    f"60 * {rate('antiphon_streams_refused_total', mine)}", "refused"
                ),
                steps=((None, GOOD), (0.01, BAD)),
                empty="none",
                decimals=1,
            ),
            number(
                "Errors, a minute",
                "RPCs answered with an error.",
                "short",
                Query(
                    f"60 * ({rate('antiphon_errors_total', mine)} or vector(0))",
                    "errors",
                ),
                steps=((None, GOOD), (0.01, POOR)),
                empty="none",
                decimals=1,
            ),
            number(
                "Event loop late, p99",
                "How late the process came to what was due. Above some 50 ms audio begins to stutter.",
                "s",
                Query(quantile("0.99", "antiphon_loop_lag_seconds", mine), "late"),
                steps=((None, GOOD), (0.05, POOR), (0.25, BAD)),
                empty="unknown",
            ),
        ],
    )


def places(selector: str) -> str:
    """How full all replicas together are, from 0 to 1."""
    return f"sum(antiphon_streams_open{selector}) / sum(antiphon_streams_capacity{selector})"


def share(stage: str, about: str) -> Panel:
    """What users wait for this stage, as the gateway measures it, beside its budget."""
    selector = f'{{stage="{stage}"}}'
    return lines(
        "Share of response latency",
        f"{about} Measured by the gateways. Dots are single turns and lead to their traces. Dashed: the budget.",
        "s",
        Query(quantile("0.5", _SHARE, selector), "p50"),
        Query(quantile("0.95", _SHARE, selector), "p95", exemplars=True),
        Query(quantile("0.99", _SHARE, selector), "p99"),
        Query(budget(stage), "budget"),
    )


def calls(job: str) -> Panel:
    """How long RPCs lasted."""
    return lines(
        "RPCs: whole life, p95",
        "From the first message to the last, with the time in which the user was speaking or listening: "
        "a long one is not a slow one.",
        "s",
        Query(
            quantile("0.95", "antiphon_rpc_duration_seconds", of(job), "method"),
            "{{method}}",
        ),
    )


def errors(job: str) -> Panel:
    """Errors by what was called, and by code."""
    return rare(
        "Errors by code",
        "RPCs answered with an error, a minute. RESOURCE_EXHAUSTED: full. UNAVAILABLE: going away or gone. "
        "DEADLINE_EXCEEDED: too slow. INTERNAL: a fault, see the log.",
        "opm",
        Query(
            f"60 * {rate('antiphon_errors_total', of(job), 'method, code')}",
            "{{method}} {{code}}",
        ),
        f"60 * {rate('antiphon_errors_total', of(job))}",
    )


def streams(job: str) -> Panel:
    """Streams by replica, below what they carry."""
    return stack(
        "Streams by replica",
        "Streams open at each replica. Dashed: what all of them carry in real time.",
        "short",
        Query(f"sum by (instance) (antiphon_streams_open{of(job)})", "{{instance}}"),
        Query(f"sum(antiphon_streams_capacity{of(job)})", "budget: places"),
    )


def batches(job: str, stage: str) -> Sequence[Panel]:
    """Waiting for the engine, and what it does."""
    mine = of(job, f'stage="{stage}"')
    return (
        lines(
            "Wait for the engine, p95",
            "From being ready to being in a batch, by kind of work. It grows before anything else does: "
            "the stage has too little engine for its streams.",
            "s",
            Query(
                quantile("0.95", "antiphon_queue_wait_seconds", mine, "work"),
                "{{work}}",
                exemplars=True,
            ),
        ),
        lines(
            "Time in the engine, p95",
            "One batch, by kind of work.",
            "s",
            Query(
                quantile("0.95", "antiphon_compute_seconds", mine, "work"),
                "{{work}}",
                exemplars=True,
            ),
        ),
        lines(
            "Batch size, mean",
            "Work items that shared one run of the engine. Larger ones mean more load, and better use of the engine.",
            "short",
            Query(mean("antiphon_batch_size", mine, "work"), "{{work}}"),
        ),
        lines(
            "Real-time factor",
            "Time in the engine for a second of audio. From 1 on the stage cannot keep up.",
            "short",
            Query(
                quantile("0.5", "antiphon_real_time_factor", mine, "work"),
                "{{work}} p50",
            ),
            Query(
                quantile("0.95", "antiphon_real_time_factor", mine, "work"),
                "{{work}} p95",
            ),
        ),
    )
