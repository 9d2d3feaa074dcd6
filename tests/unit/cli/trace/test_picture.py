"""Where a turn's spans lie on their axis, and what is to be seen of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.cli.trace.document import Turn
from antiphon.cli.trace.picture import Lane, State, amount, given_up, picture
from antiphon.cli.trace.terminal import ASCII, bar
from tests.fakes import turns
from tests.fakes.turns import span

INSTANTS = st.floats(0, 60)


def _read(turn: turns.Turn) -> Turn:
    (read,) = turns.document(turn).turns
    return read


def _lanes(turn: turns.Turn) -> dict[str, Lane]:
    return {lane.name: lane for lane in picture(_read(turn)).lanes}


def test_time_begins_where_the_speech_ended() -> None:
    lanes = _lanes(turns.ahead())
    assert (lanes["endpointing"].start, lanes["endpointing"].end) == pytest.approx(
        (0.0, 0.6)
    )
    assert lanes["transcribe"].start == pytest.approx(-2.0)
    assert lanes["playout"].start == pytest.approx(0.6)


def test_shares_lie_on_the_spans_that_they_explain_and_the_last_ends_with_the_total() -> (
    None
):
    lanes = _lanes(turns.slow())
    assert lanes["transcribe"].counted == pytest.approx((0.398, 0.498))
    assert lanes["generate"].counted == pytest.approx((0.498, 1.598))
    assert lanes["synthesize"].counted == pytest.approx((1.598, 1.748))
    assert lanes["gateway"].counted == pytest.approx((1.748, 1.75))
    assert lanes["total"].counted == pytest.approx((0.0, 1.75))
    assert lanes["playout"].counted is None


def test_what_ran_before_the_decision_is_told_apart() -> None:
    lanes = _lanes(turns.ahead())
    ahead = {name: lane.ahead for name, lane in lanes.items() if lane.ahead}
    assert ahead == pytest.approx(
        {"transcribe": 0.1, "generate": 0.2, "synthesize": 0.1}
    )
    lanes = _lanes(turns.slow())
    assert lanes["generate"].ahead == pytest.approx(0.002)
    assert lanes["endpointing"].ahead == 0


def test_a_draft_has_what_it_was_made_of_below_it() -> None:
    lanes = picture(_read(turns.slow())).lanes
    assert [(lane.name, lane.depth) for lane in lanes] == [
        ("transcribe", 0),
        ("speculate", 0),
        ("generate", 1),
        ("speculate", 0),
        ("generate", 1),
        ("synthesize", 1),
        ("endpointing", 0),
        ("generate", 0),
        ("synthesize", 0),
        ("playout", 0),
        ("gateway", 0),
        ("total", 0),
    ]
    assert {lane.state for lane in lanes[1:6]} == {State.GIVEN_UP}
    assert not any(lane.counted for lane in lanes[1:6])
    assert State.GIVEN_UP not in {lane.state for lane in lanes[6:]}
    assert sum(map(given_up, _read(turns.slow()).spans)) == 2
    assert not any(map(given_up, _read(turns.ahead()).spans))


def test_a_draft_that_does_not_say_which_one_it_is_is_drawn() -> None:
    strange = turns.span("speculate", 0.0, 1.0, REVISION=["one", "two"])
    (lane,) = picture(_read(turns.bare(spans=[strange]))).lanes
    assert (lane.name, lane.state) == ("speculate", State.PLAIN)


def test_what_overran_says_by_how_much_and_nothing_else_does() -> None:
    lanes = picture(_read(turns.slow())).lanes
    over = {lane.name: lane.notes for lane in lanes if lane.state is State.OVER}
    assert over == {"generate": ("350 ms over",), "total": ("550 ms over",)}
    assert all(lane.state is not State.OVER for lane in _lanes(turns.ahead()).values())


def test_a_failed_turn_shows_which_stage_failed_and_how() -> None:
    lanes = _lanes(turns.failed())
    assert lanes["synthesize"].state is State.FAILED
    assert lanes["synthesize"].notes == ("UNAVAILABLE", "3 tries")
    # What was cancelled because of it has not failed.
    assert lanes["generate"].state is State.PLAIN
    assert "total" not in lanes


def test_a_failure_without_a_status_of_its_own_is_its_stages() -> None:
    turn = turns.failed(
        spans=[span("generate", 0.0, 1.0), span("synthesize", 0.5, 1.0)]
    )
    lanes = _lanes(turn)
    assert (lanes["synthesize"].state, lanes["synthesize"].notes) == (
        State.FAILED,
        ("UNAVAILABLE",),
    )
    assert lanes["generate"].state is State.PLAIN


def test_turns_within_their_budget_share_an_axis() -> None:
    quick = turns.ahead(total=0.9)
    assert picture(_read(turns.ahead())).end == picture(_read(quick)).end
    assert picture(_read(turns.slow())).end > 1.75


def test_drafts_before_the_end_of_the_speech_widen_the_axis_but_not_without_bounds() -> (
    None
):
    laid_out = picture(_read(turns.slow()))
    assert laid_out.start == pytest.approx(2.45 - 3.0)
    assert picture(_read(turns.ahead())).start == 0


def test_a_turn_in_which_nothing_took_time_has_no_lanes() -> None:
    laid_out = picture(_read(turns.bare()))
    assert laid_out.lanes == ()
    assert laid_out.end > laid_out.start


def test_ticks_are_round_and_few() -> None:
    laid_out = picture(_read(turns.ahead()))
    assert laid_out.ticks(7) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2])
    assert laid_out.ticks(3) == pytest.approx([0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 ms"),
        (0.0004, "0 ms"),
        (0.812, "812 ms"),
        (0.9996, "1.00 s"),
        (1.752, "1.75 s"),
        (12.34, "12.3 s"),
    ],
)
def test_times_are_milliseconds_below_a_second(seconds: float, said: str) -> None:
    assert amount(seconds) == said


@given(
    instants=st.lists(st.tuples(INSTANTS, INSTANTS), min_size=1, max_size=6),
    shares=st.none()
    | st.fixed_dictionaries(
        {name: INSTANTS for name in ("endpointing", "stt", "llm", "tts", "gateway")}
    ),
    total=INSTANTS,
    saved=INSTANTS,
    names=st.lists(
        st.sampled_from(
            ["transcribe", "endpointing", "speculate", "generate", "synthesize", "x"]
        ),
        min_size=6,
        max_size=6,
    ),
    cells=st.integers(1, 120),
)
def test_bars_are_as_long_as_the_axis_whatever_the_numbers(
    instants: list[tuple[float, float]],
    shares: dict[str, float] | None,
    total: float,
    saved: float,
    names: list[str],
    cells: int,
) -> None:
    spans = [
        span(name, *each, REVISION=1, SPECULATION_OUTCOME="resumed")
        for name, each in zip(names, instants, strict=False)
    ]
    turn = turns.bare(
        spans=spans,
        shares=shares,
        total=None if shares is None else total,
        saved=saved,
        overruns=["llm", "total"],
    )
    laid_out = picture(_read(turn))
    assert laid_out.start <= 0 < laid_out.end or not laid_out.lanes
    for lane in laid_out.lanes:
        assert len(bar(lane, laid_out, cells, ASCII)) == cells
