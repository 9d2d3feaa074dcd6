"""Every metric of the project, served by each process on ``/metrics`` of its own port.

Base units; labels from closed sets only, never an id.
"""

import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

LATENCY_BUCKETS = (
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
"""Seconds; budgets fall on edges."""

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
DROPPED_PARTIALS = Counter(
    "antiphon_partials_dropped_total", "Partials that nobody needed any more"
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


REQUEST_SECONDS = 10.0
"""Silence after which a connection is closed; each holds a thread."""


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape is no news."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report it, unless the client has gone or says nothing."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def serve(port: int, host: str) -> tuple[WSGIServer, threading.Thread]:
    """Serve ``/metrics``; shut the server down at the end.

    Raises:
        OSError: the port is taken, or nobody knows the host.
    """
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = found[0]

    class Server(_Server):
        address_family = family

    server = Server((str(address[0]), port), _Handler)
    server.set_app(make_wsgi_app())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    return server, thread
