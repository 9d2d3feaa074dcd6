"""Every metric of the project. Base units; labels from closed sets only, never an id: ids are exemplars.

The description of each is a line of ``docs/telemetry.md``, which is made from this module: whoever changes it runs
``python -m services.runtime.telemetry.page docs/telemetry.md``. What labels may be is in `labels`.
"""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from services.runtime.telemetry import budgets

_GRADES = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    1.2,
    1.5,
    2.0,
    3.0,
    5.0,
    10.0,
)
LATENCY_BUCKETS = tuple(sorted({*_GRADES, *budgets.edges()}))
"""Seconds; every budget is an edge."""

# When a series began would be a series of its own beside each, and nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]

BUILD_INFO = Gauge(
    "antiphon_build_info", "1; what runs here", ["service", "version", "python"]
)
LOOP_LAG = Histogram(
    "antiphon_loop_lag_seconds",
    "How late the event loop woke up for a timer",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
ERRORS = Counter(
    "antiphon_errors_total",
    "RPCs that this process answered with an error",
    ["method", "code"],
)
SPANS_LOST = Counter(
    "antiphon_spans_lost_total", "Spans whose export to the collector failed"
)

RPC_DURATION = Histogram(
    "antiphon_rpc_duration_seconds",
    "Whole life of an RPC",
    ["method", "code"],
    buckets=LATENCY_BUCKETS,
)
STREAMS_OPEN = Gauge("antiphon_streams_open", "Streams open now")
STREAMS_CAPACITY = Gauge(
    "antiphon_streams_capacity", "Streams that this replica carries in real time"
)
STREAMS_REFUSED = Counter(
    "antiphon_streams_refused_total", "Streams refused because the replica was full"
)

QUEUE_WAIT = Histogram(
    "antiphon_queue_wait_seconds",
    "Wait for a place in a batch",
    ["stage", "work"],
    buckets=LATENCY_BUCKETS,
)
BATCH_SIZE = Histogram(
    "antiphon_batch_size",
    "Work items in one batch",
    ["stage", "work"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
COMPUTE = Histogram(
    "antiphon_compute_seconds",
    "One batch in the engine",
    ["stage", "work"],
    buckets=LATENCY_BUCKETS,
)
REAL_TIME_FACTOR = Histogram(
    "antiphon_real_time_factor",
    "Time in the engine for a second of audio; each of a batch takes the batch's time",
    ["stage", "work"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0),
)
POSTPONED_PARTIALS = Counter(
    "antiphon_partials_postponed_total",
    "Times that a partial in the engine made way for a final or a checkpoint; it is begun again",
)
DROPPED_PARTIALS = Counter(
    "antiphon_partials_dropped_total",
    "Partials that nobody needed any more before the engine had them",
)

FIRST_TOKEN = Histogram(
    "antiphon_first_token_seconds",
    "Request to first token",
    ["upstream"],
    buckets=LATENCY_BUCKETS,
)
UPSTREAM_ATTEMPTS = Counter(
    "antiphon_upstream_attempts_total", "Tries at an upstream", ["upstream", "outcome"]
)
HEDGES = Counter(
    "antiphon_hedges_total",
    "Tries begun alongside one that was late, by how they went",
    ["upstream", "outcome"],
)
CIRCUIT_STATE = Gauge(
    "antiphon_upstream_circuit_state",
    "Whether an upstream is asked: 0 yes, 1 by a probe, 2 no",
    ["upstream"],
)
CIRCUIT_OPENINGS = Counter(
    "antiphon_upstream_circuit_openings_total",
    "Times that an upstream was left alone, by the failure that did it",
    ["upstream", "outcome"],
)
TOKENS = Counter(
    "antiphon_tokens_total", "Tokens, as upstreams count them", ["upstream", "kind"]
)

FIRST_AUDIO = Histogram(
    "antiphon_first_audio_seconds",
    "First segment ready to first audio",
    ["engine"],
    buckets=LATENCY_BUCKETS,
)
SPOKEN_AUDIO = Counter(
    "antiphon_spoken_audio_seconds_total", "Audio synthesized", ["engine"]
)

CONVERSATIONS_OPEN = Gauge("antiphon_conversations_open", "Conversations open now")
CONVERSATIONS = Counter(
    "antiphon_conversations_total", "Conversations that ended, by why", ["ending"]
)
BUDGET = Gauge(
    "antiphon_budget_seconds",
    "What a turn may take; route default is all those that are not named",
    ["route", "share"],
)
OBJECTIVE = Gauge(
    "antiphon_objective_ratio",
    "Share of turns that is meant to go well",
    ["objective"],
)
TURNS = Counter("antiphon_turns_total", "Turns by how they went", ["outcome"])
TURN_STAGE = Histogram(
    "antiphon_turn_stage_seconds",
    "Share of each stage in response latency",
    ["stage"],
    buckets=LATENCY_BUCKETS,
)
RESPONSE_LATENCY = Histogram(
    "antiphon_response_latency_seconds",
    "End of the user's speech to first audio byte of the answer",
    buckets=LATENCY_BUCKETS,
)
BUDGET_OVERRUNS = Counter(
    "antiphon_budget_overruns_total",
    "Turns in which a stage overran its budget",
    ["stage"],
)

INTERRUPTIONS = Counter(
    "antiphon_interruptions_total", "Answers that were cut off, by whom", ["by"]
)
STAGE_FAILURES = Counter(
    "antiphon_stage_failures_total",
    "Turns that a stage failed",
    ["stage", "code"],
)
REPLICAS_ASKED_AGAIN = Counter(
    "antiphon_replicas_asked_again_total",
    "Calls taken to another replica, by why",
    ["stage", "reason"],
)

SPECULATIONS = Counter(
    "antiphon_speculations_total",
    "Answers begun before their turn was decided, by what became of them",
    ["outcome"],
)
SPECULATION_WASTED_TOKENS = Counter(
    "antiphon_speculation_wasted_tokens_total",
    "Pieces of text, about a token each, written for answers that nobody got",
)
SPECULATION_WASTED_AUDIO = Counter(
    "antiphon_speculation_wasted_audio_seconds_total",
    "Audio synthesized for answers that nobody got",
)
END_PREDICTIONS = Counter(
    "antiphon_end_predictions_total",
    "Predictions of a turn's end by how they went",
    ["outcome"],
)
END_PREDICTION = Histogram(
    "antiphon_end_prediction_seconds",
    "Prediction of a turn's end asked for to made",
    buckets=LATENCY_BUCKETS,
)

ACCESS_REFUSALS = Counter(
    "antiphon_access_refusals_total",
    "What clients of the gateway were refused, by the reason",
    ["reason"],
)

HTTP_REQUESTS = Histogram(
    "antiphon_http_request_duration_seconds",
    "Whole life of an HTTP request that is no conversation; an answer that broke off counts by what went wrong",
    ["route", "code"],
    buckets=LATENCY_BUCKETS,
)
