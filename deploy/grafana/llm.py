"""The page of the language model's proxy."""

from deploy.grafana.curves import lines, rare, stack
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.kinds import states
from deploy.grafana.panels import BAD, GOOD, POOR, Query
from deploy.grafana.queries import grown, of, quantile, rate
from deploy.grafana.stage import calls, errors, now, share, streams

_MINE = of("llm")
_FAILED = of("llm", 'outcome!~"ok|cancelled|skipped"')
_FIRST = "antiphon_first_token_seconds"
_CIRCUIT = {
    0: ("asked", GOOD),
    1: ("probed", POOR),
    2: ("left alone", BAD),
}

LLM = Dashboard(
    "antiphon-llm",
    "Antiphon / Language model",
    "What users wait for words, which upstream they came from, and how its circuit stands.",
    "llm",
    (
        now("llm"),
        Row(
            "Latency",
            [
                share("llm", "From the prompt to the first clause."),
                lines(
                    "First token by upstream",
                    "From the request to an upstream until its first token, tries that lost a race included.",
                    "s",
                    Query(
                        quantile("0.5", _FIRST, _MINE, "upstream"), "{{upstream}} p50"
                    ),
                    Query(
                        quantile("0.95", _FIRST, _MINE, "upstream"),
                        "{{upstream}} p95",
                        exemplars=True,
                    ),
                ),
            ],
        ),
        Row(
            "Upstreams",
            [
                states(
                    "Circuits",
                    "Whether an upstream is asked; after failures it is left alone for a while. "
                    "The worst of all replicas is shown.",
                    Query(
                        f"max by (upstream) (antiphon_upstream_circuit_state{_MINE})",
                        "{{upstream}}",
                    ),
                    _CIRCUIT,
                ),
                rare(
                    "Tries by outcome",
                    "A second. Cancelled ones are drafts that were not needed, or lost a race; skipped ones "
                    "were not made, because the circuit was open.",
                    "reqps",
                    Query(
                        rate("antiphon_upstream_attempts_total", _MINE, "outcome"),
                        "{{outcome}}",
                    ),
                    rate("antiphon_upstream_attempts_total", _MINE),
                ),
                rare(
                    "Failures by upstream",
                    "Tries that went neither well nor were cancelled or skipped, a minute.",
                    "opm",
                    Query(
                        "60 * "
                        + rate(
                            "antiphon_upstream_attempts_total",
                            _FAILED,
                            "upstream, outcome",
                        ),
                        "{{upstream}} {{outcome}}",
                    ),
                    "60 * " + rate("antiphon_upstream_attempts_total", _FAILED),
                ),
                rare(
                    "Circuits opened",
                    "Within the window, by the failure that did it.",
                    "short",
                    Query(
                        grown(
                            "antiphon_upstream_circuit_openings_total",
                            _MINE,
                            "upstream, outcome",
                        ),
                        "{{upstream}} {{outcome}}",
                    ),
                    grown("antiphon_upstream_circuit_openings_total", _MINE),
                ),
                stack(
                    "Hedges by outcome",
                    "Tries begun beside one that was late, a minute. Many that won: the first upstream is slow. "
                    "Refused ones were too many of late.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_hedges_total', _MINE, 'upstream, outcome')}",
                        "{{upstream}} {{outcome}}",
                    ),
                ),
                lines(
                    "Tokens",
                    "A second, as upstreams count them.",
                    "short",
                    Query(
                        rate("antiphon_tokens_total", _MINE, "upstream, kind"),
                        "{{upstream}} {{kind}}",
                    ),
                ),
            ],
        ),
        Row("Errors and places", [errors("llm"), streams("llm"), calls("llm")]),
    ),
)
