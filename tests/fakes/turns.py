"""Turns as a gateway answers them on ``/turns``, and a port that does."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from antiphon.cli.trace.document import Document, read
from services.runtime.telemetry import exposition, names

BUDGETS = {
    "total": 1.2,
    "endpointing": 0.75,
    "stt": 0.3,
    "llm": 0.75,
    "tts": 0.3,
    "gateway": 0.05,
}
BEGAN = datetime(2026, 3, 1, 14, 3, 22, tzinfo=UTC)
CONVERSATION = "7f3a91c2d4e85b60a1f27c9e0d3b4a58"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

Turn = dict[str, Any]


def span(name: str, start: float, end: float, **attributes: object) -> dict[str, Any]:
    """A span; the names of its attributes are those of ``names``."""
    said = {getattr(names, key): value for key, value in attributes.items()}
    return {"name": name, "start": start, "end": end, "attributes": said}


def bare(number: int = 1, **differing: object) -> Turn:
    """A turn in which nothing took time."""
    return {
        "conversation": CONVERSATION,
        "turn": number,
        "trace_id": None,
        "began": (BEGAN + timedelta(seconds=20 * (number - 1))).isoformat(),
        "outcome": "empty",
        "route": "default",
        "total": None,
        "shares": None,
        "saved": None,
        "overruns": [],
        "budgets": BUDGETS,
        "failure": None,
        "spans": [],
        **differing,
    }


def ahead(number: int = 1, **differing: object) -> Turn:
    """Answered from a draft, while the silence was waited for.

    The user speaks for 2 s; the transcript is asked for after 0.2 s of silence and there at 0.3 s, the first clause at
    0.5 s, its audio and the decision at 0.6 s.
    """
    draft = {"REVISION": 1, "SPECULATIVE": True}
    return bare(
        number,
        trace_id=TRACE,
        outcome="answered",
        total=0.6,
        shares={"endpointing": 0.6, "stt": 0.1, "llm": 0.2, "tts": 0.1, "gateway": 0.0},
        saved=0.4,
        spans=[
            span("transcribe", 0.0, 2.6, REVISION=1, RPC_STATUS_CODE="OK", TRIES=1),
            span("endpointing", 2.0, 2.6),
            span("speculate", 2.2, 2.6, REVISION=1, SPECULATION_OUTCOME="used"),
            span("generate", 2.3, 3.4, **draft, RPC_STATUS_CODE="OK", TRIES=1),
            span("synthesize", 2.35, 4.0, **draft, RPC_STATUS_CODE="OK", TRIES=1),
            span("playout", 2.6, 5.8),
        ],
    ) | dict(differing)


def slow(number: int = 1, **differing: object) -> Turn:
    """The model let the user wait: its first clause comes 1.1 s after the prompt; two drafts before were for nothing."""
    first = {"REVISION": 1, "SPECULATIVE": True, "RPC_STATUS_CODE": "CANCELLED"}
    second = {**first, "REVISION": 2}
    return bare(
        number,
        trace_id=TRACE,
        outcome="answered",
        total=1.75,
        shares={
            "endpointing": 0.5,
            "stt": 0.1,
            "llm": 1.1,
            "tts": 0.15,
            "gateway": 0.002,
        },
        saved=0.102,
        overruns=["llm", "total"],
        spans=[
            span("transcribe", 0.0, 3.5, REVISION=4, RPC_STATUS_CODE="OK", TRIES=2),
            span("speculate", 1.0, 1.5, REVISION=1, SPECULATION_OUTCOME="resumed"),
            span("generate", 1.1, 1.5, **first),
            span("speculate", 2.45, 2.8, REVISION=2, SPECULATION_OUTCOME="resumed"),
            span("generate", 2.55, 2.8, **second),
            span("synthesize", 2.7, 2.8, **second),
            span("endpointing", 3.0, 3.5),
            span("generate", 3.498, 5.4, REVISION=4, SPECULATIVE=False),
            span("synthesize", 4.598, 6.0, REVISION=4, SPECULATIVE=False),
            span("playout", 4.75, 7.25),
        ],
    ) | dict(differing)


def failed(number: int = 1, **differing: object) -> Turn:
    """The voice was gone."""
    return bare(
        number,
        outcome="failed",
        failure={"stage": "tts", "code": "UNAVAILABLE"},
        spans=[
            span("transcribe", 0.0, 1.6, REVISION=1, RPC_STATUS_CODE="OK"),
            span("endpointing", 1.0, 1.6),
            span("generate", 1.6, 2.2, REVISION=1, RPC_STATUS_CODE="CANCELLED"),
            span(
                "synthesize",
                1.7,
                2.2,
                REVISION=1,
                RPC_STATUS_CODE="UNAVAILABLE",
                TRIES=3,
            ),
        ],
    ) | dict(differing)


def written(*turns: Turn, **gateway: object) -> dict[str, Any]:
    """The document."""
    about = {
        "version": "0.1.0",
        "budgets": BUDGETS,
        "objectives": {"within_budget": 0.95, "answered": 0.99},
        **gateway,
    }
    return {"version": 1, "gateway": about, "turns": list(turns)}


def document(*turns: Turn, **gateway: object) -> Document:
    """The document, as the command reads it."""
    return read(json.dumps(written(*turns, **gateway)).encode())


@contextmanager
def answering(answer: Callable[[int], object]) -> Iterator[str]:
    """A metrics port.

    Args:
        answer: what is said on ``/turns`` to who asks for so many turns.

    Yields:
        ``HOST:PORT``.
    """

    def turns(query: Mapping[str, str]) -> object:
        return answer(int(query["last"]))

    server, thread = exposition.serve(0, "127.0.0.1", {"/turns": turns})
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
