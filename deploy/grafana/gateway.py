"""The page of the gateway."""

from deploy.grafana.curves import lines, rare, stack
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.panels import Query
from deploy.grafana.queries import mean, of, quantile, rate
from deploy.grafana.stage import calls, errors, now, share, streams

_MINE = of("gateway")
_HTTP = "antiphon_http_request_duration_seconds"

GATEWAY = Dashboard(
    "antiphon-gateway",
    "Antiphon / Gateway",
    "Conversations, who is let in, and what the gateway itself takes.",
    "gateway",
    (
        now("gateway"),
        Row(
            "Latency",
            [
                share("gateway", "What no stage took: the gateway's own."),
                share(
                    "endpointing",
                    "Until the silence had been long enough to be an end.",
                ),
            ],
        ),
        Row(
            "Conversations",
            [
                lines(
                    "Conversations open",
                    "At each replica.",
                    "short",
                    Query(
                        f"sum by (instance) (antiphon_conversations_open{_MINE})",
                        "{{instance}}",
                    ),
                    width=8,
                ),
                stack(
                    "Conversations ended",
                    "A minute, by why.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_conversations_total', _MINE, 'ending')}",
                        "{{ending}}",
                    ),
                    width=8,
                ),
                rare(
                    "Refused to clients",
                    "A minute, by reason. busy, share: no place. key, scope, origin: not let in. The rest: limits of a key.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_access_refusals_total', _MINE, 'reason')}",
                        "{{reason}}",
                    ),
                    f"60 * {rate('antiphon_access_refusals_total', _MINE)}",
                    width=8,
                ),
            ],
        ),
        Row(
            "Hearing",
            [
                stack(
                    "Predictions of a turn's end",
                    "A minute. busy: nobody would have waited for one that came so late; the pause alone decides then.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_end_predictions_total', _MINE, 'outcome')}",
                        "{{outcome}}",
                    ),
                    width=8,
                ),
                lines(
                    "Time for a prediction",
                    "From when it was asked for. Too slow, and the gateway has too little CPU.",
                    "s",
                    Query(
                        quantile("0.5", "antiphon_end_prediction_seconds", _MINE), "p50"
                    ),
                    Query(
                        quantile("0.95", "antiphon_end_prediction_seconds", _MINE),
                        "p95",
                    ),
                    width=8,
                ),
                lines(
                    "Voice activity: batch size, mean",
                    "Conversations that shared one run of the model.",
                    "short",
                    Query(
                        mean(
                            "antiphon_batch_size",
                            of("gateway", 'stage="gateway"'),
                            "work",
                        ),
                        "{{work}}",
                    ),
                    width=8,
                ),
            ],
        ),
        Row(
            "HTTP beside conversations",
            [
                lines(
                    "Requests, p95",
                    "Transcriptions, speech, chat completions and what else is no conversation, by route.",
                    "s",
                    Query(
                        quantile("0.95", _HTTP, _MINE, "route"),
                        "{{route}}",
                        exemplars=True,
                    ),
                ),
                rare(
                    "Requests by code",
                    "A second.",
                    "reqps",
                    Query(
                        rate(f"{_HTTP}_count", _MINE, "route, code"),
                        "{{route}} {{code}}",
                    ),
                    rate(f"{_HTTP}_count", _MINE),
                ),
            ],
        ),
        Row(
            "Errors and places",
            [errors("gateway"), streams("gateway"), calls("gateway")],
        ),
    ),
)
