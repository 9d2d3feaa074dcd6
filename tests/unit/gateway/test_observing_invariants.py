"""What must hold of turns' traces whatever happens in whatever order (`chaos`)."""

import pytest
from hypothesis import given, settings

from gateway.conversation import commands as c
from gateway.observing.recent import MOST
from tests.fakes.spans import recorded
from tests.fakes.turn_traces import Piece, TurnTrace, turns
from tests.unit.conversation.chaos import Talk, run, talks
from tests.unit.gateway.watching import WatchedChaos

NO_TURNS = ("forgotten", "abandoned")


def watch(talk: Talk) -> tuple[WatchedChaos, list[TurnTrace]]:
    """All of the talk, and all traces of it."""
    with recorded() as spans:
        chaos = run(talk, WatchedChaos)
        assert isinstance(chaos, WatchedChaos)
        chaos.hang_up()
        assert not spans.open
    return chaos, turns(Piece.made(span) for span in spans)


def outcome(trace: TurnTrace) -> object:
    return trace.root.attributes["antiphon.turn.outcome"]


def number(trace: TurnTrace) -> object:
    return trace.root.attributes["antiphon.turn.number"]


@settings(max_examples=60, deadline=None)
@given(talks)
def test_every_turn_is_one_trace_that_says_how_it_ended(talk: Talk) -> None:
    chaos, traces = watch(talk)
    ended = chaos.all(c.TellTurnEnded)
    told = [
        (number(trace), outcome(trace))
        for trace in traces
        if outcome(trace) not in NO_TURNS
    ]
    assert sorted(told) == sorted((end.turn, end.outcome.value) for end in ended)
    kept = chaos.recent.document(MOST)["turns"]
    assert [(turn["turn"], turn["outcome"]) for turn in kept] == [  # type: ignore[attr-defined]
        (end.turn, end.outcome.value) for end in ended
    ]


@settings(max_examples=60, deadline=None)
@given(talks)
def test_every_call_is_in_the_trace_of_its_turn(talk: Talk) -> None:
    chaos, traces = watch(talk)
    below = {
        (number(trace), piece.name, piece.attributes["antiphon.revision"])
        for trace in traces
        for piece in trace.below(trace.root)
        if piece.name in ("transcribe", "generate", "synthesize")
    }
    assert below == {
        (ref.turn, call.span.name, ref.revision)
        for (_, ref), call in chaos.calls.items()
    }


@settings(max_examples=60, deadline=None)
@given(talks)
def test_every_draft_says_what_became_of_it(talk: Talk) -> None:
    chaos, traces = watch(talk)
    drafts = [
        (
            number(trace),
            draft.attributes["antiphon.revision"],
            draft.attributes.get("antiphon.speculation.outcome"),
        )
        for trace in traces
        for draft in trace.all("speculate")
    ]
    assert sorted(drafts, key=str) == sorted(
        (
            (note.ref.turn, note.ref.revision, note.outcome.value)
            for note in chaos.all(c.NoteSpeculation)
        ),
        key=str,
    )


@settings(max_examples=60, deadline=None)
@given(talks)
def test_where_the_client_is_told_a_latency_spans_show_it(talk: Talk) -> None:
    chaos, traces = watch(talk)
    by_number = {
        number(trace): trace for trace in traces if outcome(trace) not in NO_TURNS
    }
    for end in chaos.all(c.TellTurnEnded):
        trace = by_number[end.turn]
        waterfall = end.waterfall
        if waterfall is None:
            assert trace.told() == {}
            continue
        endpointing, playout = trace.one("endpointing"), trace.one("playout")
        assert endpointing.seconds == pytest.approx(waterfall.endpointing, abs=1e-4)
        assert playout.start - endpointing.start == pytest.approx(
            waterfall.total, abs=1e-4
        )
