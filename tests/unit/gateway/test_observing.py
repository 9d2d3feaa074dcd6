"""What is told of turns: by their traces, by the list of recent ones, by what is counted. On a clock that tests set."""

import json
from collections.abc import Callable, Iterator

import grpc
import pytest
from opentelemetry.trace import NoOpTracer
from prometheus_client import REGISTRY

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Ending,
    Failure,
    Finish,
    Policy,
    Ref,
    Stage,
    ToolCall,
    Usage,
    Wish,
)
from gateway.conversation.waterfall import SHARES
from gateway.observing import counting
from gateway.observing.recent import MOST, Recent
from gateway.observing.turn import TurnTrace
from services.runtime.telemetry import labels, metrics, tracing
from services.runtime.telemetry.budgets import load
from tests.fakes import turn_traces
from tests.fakes.spans import Spans, recorded
from tests.fakes.turn_traces import Piece, counted, turns
from tests.unit.gateway.watching import CONVERSATION, Watched

SECRET = "Nobody else may read this"


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as spans:
        yield spans


def traces(spans: Spans) -> list[turn_traces.TurnTrace]:
    assert not spans.open
    return turns(Piece.made(span) for span in spans)


def told(watched: Watched) -> dict[str, float]:
    """The last waterfall that a client was told."""
    waterfall = watched.all(c.TellTurnEnded)[-1].waterfall
    assert waterfall is not None
    return {name: waterfall.share(name) for name in (*SHARES, "saved", "total")}


def answered(watched: Watched, ref: Ref, text: str = "Because.") -> None:
    """The model takes 0.3 s to its clause, the voice 0.2 s more; then the answer is heard out."""
    watched.wait(0.3)
    watched.tell(e.TextWritten(ref, text))
    watched.tell(e.ReplyWritten(ref, Usage(5, 2, 3)))
    watched.tell(e.ClauseTaken(ref, len(text)))
    watched.wait(0.2)
    watched.tell(e.AudioSpoken(ref, 0.0, 1.0, b"sound"))
    watched.tell(e.ReplySpoken(ref))
    watched.wait(5.0)


def used_draft(watched: Watched) -> None:
    watched.pause("Why?")
    answered(watched, watched.draft())
    watched.hear(2.0)


def fresh_answer(watched: Watched) -> None:
    answered(watched, watched.ask())


def asked_for_later(watched: Watched) -> None:
    """The user's turn ended unanswered, and the client asks for the answer a while after."""
    watched.ask()
    watched.wait(0.5)
    watched.tell(e.Respond(Wish(1)))
    answered(watched, watched.ref())


@pytest.mark.parametrize(
    ("policy", "talk"),
    [
        (Policy(), used_draft),
        (Policy(speculations=0), fresh_answer),
    ],
)
def test_spans_lie_where_the_waterfall_says(
    spans: Spans, policy: Policy, talk: Callable[[Watched], None]
) -> None:
    watched = Watched(policy)
    talk(watched)
    watched.hang_up()
    (trace,) = traces(spans)
    expected = told(watched)
    assert trace.waterfall() == pytest.approx(expected, abs=1e-4)
    assert trace.told() == pytest.approx(expected, abs=1e-4)
    assert trace.root.start <= trace.one("endpointing").start


def test_an_answer_that_is_asked_for_later_waits_since_the_speech_it_answers(
    spans: Spans,
) -> None:
    watched = Watched(Policy(respond=False, speculations=0))
    asked_for_later(watched)
    watched.hang_up()
    heard, answer = traces(spans)
    assert heard.root.attributes["antiphon.turn.outcome"] == "heard"
    expected = told(watched)
    endpointing, playout = answer.one("endpointing"), answer.one("playout")
    assert endpointing.seconds == pytest.approx(expected["endpointing"], abs=1e-4)
    assert playout.start - endpointing.start == pytest.approx(
        expected["total"], abs=1e-4
    )
    assert answer.root.start <= endpointing.start


def test_a_turn_begins_with_its_speech_and_ends_with_its_playout(spans: Spans) -> None:
    watched = Watched(Policy(speculations=0))
    began = watched.now
    fresh_answer(watched)
    ended = watched.now
    watched.hang_up()
    (trace,) = traces(spans)
    ahead = trace.root.start - began
    assert trace.root.end < ended + ahead
    assert trace.one("playout").seconds == pytest.approx(1.0, abs=0.01)
    assert trace.one("playout").end == pytest.approx(trace.root.end, abs=1e-4)
    assert trace.one("transcribe").start > trace.root.start


def test_a_turns_root_ends_behind_its_last_call_at_the_instant_of_the_turns_end(
    spans: Spans,
) -> None:
    now = 10.0
    trace = TurnTrace(CONVERSATION, 1, 9.0, lambda: now, [])
    trace.responding = True
    call = trace.generate(Ref(1, 1), "", now)
    trace.end("answered", 12.0)
    assert trace.root.end is None
    now = 13.0
    call.ended(grpc.StatusCode.OK)
    assert (trace.root.start, trace.root.end) == (9.0, 12.0)
    assert [span.name for span in spans][-2:] == ["generate", "turn"]


def test_a_draft_that_nobody_gets_says_what_became_of_it(spans: Spans) -> None:
    before = counted("antiphon_speculations_total", outcome="resumed")
    watched = Watched(Policy())
    watched.pause("I think")
    watched.wait(0.1)
    watched.pause("I think that")
    answered(watched, watched.draft())
    watched.hear(2.0)
    watched.hang_up()
    (trace,) = traces(spans)
    first, second = trace.all("speculate")
    assert first.attributes["antiphon.speculation.outcome"] == "resumed"
    assert second.attributes["antiphon.speculation.outcome"] == "used"
    cancelled, used = trace.all("generate")
    assert cancelled.attributes["rpc.response.status_code"] == "CANCELLED"
    assert cancelled.end == pytest.approx(first.end, abs=1e-4)
    assert used.attributes["rpc.response.status_code"] == "OK"
    assert counted("antiphon_speculations_total", outcome="resumed") == before + 1
    assert trace.waterfall() == pytest.approx(told(watched), abs=1e-4)


def test_a_draft_that_the_client_leaves_is_forgotten_and_its_turn_abandoned(
    spans: Spans,
) -> None:
    before = counted("antiphon_speculations_total", outcome="forgotten")
    turns_before = counted("antiphon_turns_total", outcome="cancelled")
    watched = Watched(Policy())
    watched.pause("I think")
    watched.hang_up()
    (trace,) = traces(spans)
    draft = trace.one("speculate")
    assert draft.attributes["antiphon.speculation.outcome"] == "forgotten"
    assert trace.root.attributes["antiphon.turn.outcome"] == "abandoned"
    assert counted("antiphon_speculations_total", outcome="forgotten") == before + 1
    assert counted("antiphon_turns_total", outcome="cancelled") == turns_before


def test_what_the_model_says_of_a_reply_is_on_its_call(spans: Spans) -> None:
    watched = Watched(Policy(speculations=0))
    ref = watched.ask()
    watched.tell(e.ToolCalled(ref, ToolCall("call_1", "clock", f'"{SECRET}"')))
    watched.tell(e.ReplyWritten(ref, Usage(5, 2, 3), Finish.TOOL_CALLS))
    watched.hang_up()
    (trace,) = traces(spans)
    call = trace.one("generate")
    assert len(call.at("tool_call")) == 1
    assert call.attributes["gen_ai.response.finish_reasons"] == "tool_calls"
    assert call.attributes["gen_ai.usage.cache_read.input_tokens"] == 2
    everything = str([span.to_json() for span in spans])
    assert "clock" not in everything and SECRET not in everything


@pytest.mark.parametrize(
    ("event", "by", "outcome"),
    [
        (e.TextSaid("Stop.", respond=True), "user", "interrupted"),
        (e.ReplyCancelled(), "client", "cancelled"),
    ],
)
def test_an_answer_that_is_cut_off_counts_for_whoever_did_it(
    spans: Spans, event: e.Event, by: str, outcome: str
) -> None:
    before = counted("antiphon_interruptions_total", by=by)
    watched = Watched(Policy())
    watched.answering()
    watched.tell(event)
    watched.hang_up()
    assert traces(spans)[0].root.attributes["antiphon.turn.outcome"] == outcome
    assert counted("antiphon_interruptions_total", by=by) == before + 1


def test_an_answer_that_was_not_heard_yet_is_not_cut_off() -> None:
    before = counted("antiphon_interruptions_total", by="client")
    watched = Watched(Policy(speculations=0))
    watched.ask()
    watched.tell(e.ReplyCancelled())
    watched.hang_up()
    assert counted("antiphon_interruptions_total", by="client") == before


def test_a_measurement_leads_to_the_trace_it_was_made_in(spans: Spans) -> None:
    watched = Watched(Policy(speculations=0))
    fresh_answer(watched)
    watched.hang_up()
    (trace,) = traces(spans)
    for metric in (metrics.RESPONSE_LATENCY, metrics.TURN_STAGE, metrics.TURNS):
        exemplars = [
            sample.exemplar.labels
            for family in metric.collect()
            for sample in family.samples
            if sample.exemplar
        ]
        assert {"trace_id": trace.root.trace} in exemplars, metric


def test_all_that_may_be_counted_of_turns_is_there_from_the_beginning() -> None:
    counting.begin()
    for metric in (
        metrics.TURNS,
        metrics.BUDGET_OVERRUNS,
        metrics.INTERRUPTIONS,
        metrics.SPECULATIONS,
        metrics.CONVERSATIONS,
    ):
        ((label, values),) = labels.OF[metric].items()
        there = {
            sample.labels[label]
            for family in metric.collect()
            for sample in family.samples
        }
        assert there >= set(values)
    assert (
        REGISTRY.get_sample_value(
            "antiphon_stage_failures_total", {"stage": "tts", "code": "UNAVAILABLE"}
        )
        is not None
    )


def test_the_end_of_a_conversation_is_lost_unless_somebody_brings_it_about() -> None:
    watched = Watched(Policy())
    assert watched.observer.ending == "lost"
    watched.tell(e.InputEnded(Ending.DRAINING))
    assert watched.observer.ending == "draining"


# --- recent turns -----------------------------------------------------------------------------------------


def test_without_a_collector_recent_turns_are_kept_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "tracer", NoOpTracer())
    watched = Watched(Policy())
    used_draft(watched)
    watched.hang_up()
    document = watched.recent.document(20)
    assert document["version"] == 1
    (turn,) = document["turns"]  # type: ignore[misc, attr-defined]
    assert turn["trace_id"] is None
    assert turn["outcome"] == "answered"
    assert turn["conversation"] == CONVERSATION
    expected = told(watched)
    assert turn["total"] == pytest.approx(expected.pop("total"), abs=1e-5)
    assert turn["saved"] == pytest.approx(expected.pop("saved"), abs=1e-5)
    assert turn["shares"] == pytest.approx(expected, abs=1e-5)
    assert [span["name"] for span in turn["spans"]] == [
        "transcribe", "speculate", "generate", "synthesize", "endpointing", "playout",
    ]  # fmt: skip
    assert json.dumps(document)


def test_recent_turns_say_how_they_failed_and_keep_no_words() -> None:
    watched = Watched(Policy(speculations=0))
    watched.speak(1.0)
    watched.tell(e.Committed())
    watched.tell(e.StageFailed(watched.utterance(), Failure(Stage.STT, 14, SECRET)))
    watched.hang_up()
    (turn,) = watched.recent.document(1)["turns"]  # type: ignore[misc, attr-defined]
    assert turn["failure"] == {"stage": "stt", "code": "UNAVAILABLE"}
    assert (turn["total"], turn["shares"], turn["overruns"]) == (None, None, [])
    assert SECRET not in json.dumps(turn)


def test_of_old_turns_only_the_last_ones_are_kept() -> None:
    watched = Watched(Policy(speculations=0))
    for number in range(MOST + 5):
        watched.tell(e.TextSaid(f"Question {number}", respond=True))
        watched.tell(e.ReplyCancelled())
    watched.hang_up()
    kept = watched.recent.document(MOST + 5)["turns"]
    assert [turn["turn"] for turn in kept] == list(range(6, MOST + 6))  # type: ignore[attr-defined]
    last = watched.recent.document(3)["turns"]
    assert last == kept[-3:]  # type: ignore[index]


@pytest.mark.parametrize(
    "query", [{"last": "0"}, {"last": "many"}, {"last": "201"}, {"first": "1"}]
)
def test_a_query_for_what_there_is_not_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="last"):
        Recent(load()).page(query)


def test_a_query_says_how_many_turns_it_wants() -> None:
    watched = two_turns()
    assert len(watched.recent.page({"last": "1"})["turns"]) == 1  # type: ignore[index]
    assert len(watched.recent.page({})["turns"]) == 2  # type: ignore[index]


def two_turns() -> Watched:
    watched = Watched(Policy(speculations=0))
    for _ in range(2):
        watched.tell(e.TextSaid("Why?", respond=True))
        watched.tell(e.ReplyCancelled())
    watched.hang_up()
    return watched
