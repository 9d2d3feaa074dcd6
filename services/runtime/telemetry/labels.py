"""What each label of a metric may be: closed sets, or names that the operator chose. Never an id, never anything of a client's."""

from collections.abc import Iterable, Mapping
from itertools import product

import grpc
from prometheus_client import Counter, Gauge, Histogram

from services.runtime.telemetry import metrics

Metric = Counter | Gauge | Histogram


class AsConfigured(str):
    """Values that settings or files decide on; says which. As many as an operator wrote down."""

    __slots__ = ()


Values = Mapping[str, str] | AsConfigured
"""By value, what it means where it does not say so itself; or where values come from."""


def _plain(*values: str) -> Mapping[str, str]:
    return dict.fromkeys(values, "")


UPSTREAM = AsConfigured("name of an upstream, as `ANTIPHON_LLM_UPSTREAMS` has it")
ROUTE = AsConfigured("`default`, and each route that the file of budgets names")
ENGINE = AsConfigured("the engine that the settings choose")
VERSION = AsConfigured("of the package")
PYTHON = AsConfigured("the interpreter's version")

CODES = _plain(*(code.name for code in grpc.StatusCode))
METHODS = _plain(
    "Converse", "Describe", "Generate", "Prepare", "Synthesize", "Transcribe"
)
STAGES = _plain("stt", "llm", "tts", "gateway")
SHARES = _plain("endpointing", "stt", "llm", "tts", "gateway")
BUDGETED = {**SHARES, "total": "the response latency"}
SERVICES = STAGES

TRANSCRIPTS = {
    "partial": "while the user speaks",
    "checkpoint": "of an utterance that may go on",
    "final": "of a whole utterance",
}
LINES = {"first": "an answer's first clause", "rest": "all that follows it"}
WORK = {**TRANSCRIPTS, **LINES, "voice": "voice activity, in the gateway"}

TURN_OUTCOMES = {
    "answered": "to its end",
    "interrupted": "by the user",
    "cancelled": "by the client, or it left",
    "failed": "a stage did",
    "empty": "there was nothing to answer",
    "tool_calls": "the client is asked to call tools",
    "heard": "no answer was wanted",
}
SPECULATIONS = {
    "used": "",
    "resumed": "the user went on",
    "superseded": "something else was to be answered",
    "forgotten": "the client cleared the input, or the user wrote a text",
    "failed": "",
}
ATTEMPTS = {
    "ok": "",
    "timeout": "",
    "rate_limited": "",
    "unauthorized": "",
    "not_found": "",
    "bad_request": "",
    "upstream_error": "",
    "bad_response": "",
    "empty": "",
    "unreachable": "",
    "cancelled": "by the caller, or another one was first",
    "skipped": "it was left alone",
}
HEDGES = {"won": "", "lost": "", "failed": "", "refused": "too many of late"}
HTTP_CODES = {
    **_plain("200", "201", "204", "400", "401", "403", "404", "405", "408", "413"),
    "429": "limit of a key",
    "499": "whoever asked had left",
    **_plain("500", "503", "504"),
    "2xx": "any other that went well",
    "3xx": "",
    "4xx": "any other refusal",
    "5xx": "any other failure",
}
REFUSALS = {
    "key": "none, unknown or expired",
    "scope": "a client secret elsewhere than it is for",
    "origin": "a page of another site",
    "conversations": "limit of a key",
    "minutes": "limit of a key",
    "messages": "limit of a key",
    "size": "limit of a key",
    "requests": "limit of a key",
    "share": "more HTTP requests at once than one key may have of the places",
    "busy": "too many HTTP requests at once",
}

OF: Mapping[Metric, Mapping[str, Values]] = {
    metrics.BUILD_INFO: {"service": SERVICES, "version": VERSION, "python": PYTHON},
    metrics.ERRORS: {"method": METHODS, "code": CODES},
    metrics.RPC_DURATION: {"method": METHODS, "code": CODES},
    metrics.QUEUE_WAIT: {"stage": STAGES, "work": WORK},
    metrics.BATCH_SIZE: {"stage": STAGES, "work": WORK},
    metrics.COMPUTE: {"stage": STAGES, "work": WORK},
    metrics.REAL_TIME_FACTOR: {"stage": STAGES, "work": WORK},
    metrics.FIRST_TOKEN: {"upstream": UPSTREAM},
    metrics.UPSTREAM_ATTEMPTS: {"upstream": UPSTREAM, "outcome": ATTEMPTS},
    metrics.HEDGES: {"upstream": UPSTREAM, "outcome": HEDGES},
    metrics.CIRCUIT_STATE: {"upstream": UPSTREAM},
    metrics.CIRCUIT_OPENINGS: {"upstream": UPSTREAM, "outcome": ATTEMPTS},
    metrics.TOKENS: {
        "upstream": UPSTREAM,
        "kind": {"prompt": "read", "cached": "of those, not anew", "completion": ""},
    },
    metrics.FIRST_AUDIO: {"engine": ENGINE},
    metrics.SPOKEN_AUDIO: {"engine": ENGINE},
    metrics.CONVERSATIONS: {
        "ending": {
            "client": "the client left",
            "draining": "the gateway was told to stop",
            "idle": "nobody said anything for long",
            "too_long": "",
            "lost": "the client vanished, or something failed",
        }
    },
    metrics.BUDGET: {"route": ROUTE, "share": BUDGETED},
    metrics.OBJECTIVE: {
        "objective": {
            "within_budget": "spoken answers within the budget of the total",
            "answered": "turns that did not fail",
        }
    },
    metrics.TURNS: {"outcome": TURN_OUTCOMES},
    metrics.TURN_STAGE: {"stage": SHARES},
    metrics.BUDGET_OVERRUNS: {"stage": BUDGETED},
    metrics.INTERRUPTIONS: {"by": _plain("user", "client")},
    metrics.STAGE_FAILURES: {"stage": STAGES, "code": CODES},
    metrics.REPLICAS_ASKED_AGAIN: {
        "stage": STAGES,
        "reason": {"full": "RESOURCE_EXHAUSTED", "gone": "UNAVAILABLE"},
    },
    metrics.SPECULATIONS: {"outcome": SPECULATIONS},
    metrics.END_PREDICTIONS: {
        "outcome": {
            "made": "",
            "busy": "nobody waits for one that would come too late",
            "failed": "",
        }
    },
    metrics.ACCESS_REFUSALS: {"reason": REFUSALS},
    metrics.HTTP_REQUESTS: {
        "route": AsConfigured(
            "pattern of a path under `/v1/` that the gateway serves; `other` for what there is not"
        ),
        "code": HTTP_CODES,
    },
}


def at_zero(metric: Metric, **some: str | Iterable[str]) -> None:
    """Have all children of a metric from now on, so that the first thing to be counted is an increase.

    Args:
        metric: with labels.
        some: what to have of labels; of those not named, their whole closed set.
    """
    sets: list[Iterable[str]] = []
    for label, values in OF[metric].items():
        wanted = some.get(label)
        if isinstance(wanted, str):
            sets.append((wanted,))
        elif wanted is not None:
            sets.append(wanted)
        elif isinstance(values, AsConfigured):
            raise ValueError(f"{label}: is {values}; name them")
        else:
            sets.append(values)
    for combination in product(*sets):
        metric.labels(*combination)
