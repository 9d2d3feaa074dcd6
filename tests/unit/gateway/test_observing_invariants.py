"""What must hold of turns' traces whatever happens in whatever order (`chaos`)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.context import Context
from gateway.conversation.values import Policy, Transcript
from gateway.conversation.waterfall import SHARES
from gateway.observing.recent import MOST
from tests.fakes.spans import recorded
from tests.fakes.turn_traces import Piece, TurnTrace, turns
from tests.unit.conversation.chaos import Talk, run, talks
from tests.unit.conversation.talker import predicting
from tests.unit.gateway.watching import Watched, WatchedChaos

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
def test_whenever_a_client_leaves_each_decided_turn_and_each_draft_has_one_end(
    talk: Talk,
) -> None:
    policy, size, actions = talk
    with recorded() as spans:
        chaos = WatchedChaos(policy, Context(size))
        for action, which in actions:
            chaos.act(action, which)
        chaos.hang_up()
        assert not spans.open
    assert chaos.core.leave(chaos.now) == []
    assert chaos.core.wake_at(chaos.now) is None
    traces = turns(Piece.made(span) for span in spans)
    decided = [number(t) for t in traces if outcome(t) not in NO_TURNS]
    assert sorted(decided, key=str) == sorted(range(1, chaos.core.turn + 1), key=str)
    drafts = [draft for trace in traces for draft in trace.all("speculate")]
    noted = chaos.all(c.NoteSpeculation)
    assert len(noted) == len(drafts)
    assert all("antiphon.speculation.outcome" in draft.attributes for draft in drafts)


delays = st.sampled_from((0.0, 0.05, 0.3, 0.9))


@settings(max_examples=100, deadline=None)
@given(
    speculations=st.integers(0, 3),
    predicted=st.booleans(),
    pauses=st.lists(st.sampled_from((0.1, 0.2, 0.35)), max_size=3),
    stt=delays,
    llm=delays,
    tts=delays,
)
def test_however_long_each_takes_spans_lie_where_the_client_is_told_they_do(
    speculations: int,
    predicted: bool,
    pauses: list[float],
    stt: float,
    llm: float,
    tts: float,
) -> None:
    policy = predicting if predicted else Policy
    with recorded() as spans:
        watched = Watched(policy(speculations=speculations))
        for pause in pauses:
            watched.speak(0.5)
            watched.hear(pause)
            if watched.all(c.TakeCheckpoint):
                watched.understood("I think", likely=0.5 if predicted else None)
        watched.speak(0.5)
        watched.hear(0.2 + stt)
        watched.understood("Why?", likely=0.9 if predicted else None)
        watched.hear(0.5)
        watched.tell(e.FinalHeard(watched.utterance(), Transcript("Why?")))
        reply = watched.draft()
        watched.hear(llm)
        watched.write(reply, "Because.")
        watched.tell(e.ClauseTaken(reply, 8))
        watched.hear(tts)
        watched.sound(reply)
        watched.tell(e.ReplySpoken(reply))
        watched.hear(3.0)
        watched.hang_up()
        assert not spans.open
    (ended,) = watched.all(c.TellTurnEnded)
    (trace,) = turns(Piece.made(span) for span in spans)
    assert ended.waterfall is not None
    told = {name: ended.waterfall.share(name) for name in (*SHARES, "saved", "total")}
    assert trace.told() == pytest.approx(told, abs=1e-4)
    assert trace.waterfall() == pytest.approx(told, abs=1e-4)
