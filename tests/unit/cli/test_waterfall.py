"""The waterfall's drawing."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from antiphon.cli import waterfall
from antiphon.v1 import conversation_pb2 as pb
from tests.fakes.gateway import waterfall as measured

seconds = st.floats(0, 30, allow_nan=False)


def _drawn(fall: pb.Waterfall | None = None, plain_letters: bool = False) -> list[str]:
    console = Console(width=80, color_system=None)
    fall = fall or measured()
    with console.capture() as capture:
        console.print(waterfall.render(fall, "turn 1:", plain_letters))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_every_share_has_its_line_then_the_total_then_what_was_saved() -> None:
    lines = _drawn()
    assert lines[0] == "turn 1:"
    assert [(line.split()[0], line.split()[-2]) for line in lines[1:7]] == [
        ("endpointing", "480"),
        ("stt", "160"),
        ("llm", "320"),
        ("tts", "110"),
        ("gateway", "4"),
        ("total", "812"),
    ]
    assert lines[7:] == ["  saved 262 ms by answering ahead (░)"]


def test_stages_begin_before_the_decision_by_as_much_as_was_saved() -> None:
    drawn = {bar.name: bar for bar in waterfall.bars(measured(), width=812)}
    assert (drawn["endpointing"].start, drawn["endpointing"].cells) == (0, 480)
    assert (drawn["stt"].start, drawn["stt"].cells) == (480 - 262, 160)
    assert (drawn["llm"].start, drawn["llm"].cells) == (378, 320)
    assert (drawn["gateway"].start, drawn["gateway"].cells) == (808, 4)
    assert (drawn["total"].start, drawn["total"].cells) == (0, 812)


def test_what_ran_before_the_decision_can_be_told_without_colour() -> None:
    drawn = {bar.name: bar for bar in waterfall.bars(measured(), width=812)}
    ahead = {name: bar.ahead for name, bar in drawn.items() if bar.ahead}
    assert ahead == {"stt": 160, "llm": 102}
    for plain_letters, letters in ((False, "░█"), (True, "-#")):
        lines = _drawn(plain_letters=plain_letters)
        bars = {line.split()[0]: line.split()[1] for line in lines[1:7]}
        assert set(bars["endpointing"]) == {letters[1]}
        assert set(bars["stt"]) == {letters[0]}
        assert bars["llm"].strip(letters[0]) == bars["llm"].lstrip(letters[0])
        assert set(bars["llm"]) == set(letters)
        assert set(bars["tts"]) == {letters[1]}


def test_where_nothing_was_saved_one_follows_the_other() -> None:
    fall = measured(saved=0.0, total=1.074)
    drawn = waterfall.bars(fall, width=1074)
    assert [(bar.start, bar.cells, bar.ahead) for bar in drawn[:3]] == [
        (0, 480, 0),
        (480, 160, 0),
        (640, 320, 0),
    ]
    assert not any("saved" in line or "░" in line for line in _drawn(fall))


def test_a_drawing_fits_into_80_columns() -> None:
    over = (*waterfall.STAGES, "total")
    lines = _drawn(measured(*over, llm=99.0, total=99.5))
    assert len(lines) == 8
    assert max(map(len, lines)) <= 80


def test_overruns_are_marked_and_nothing_else_is() -> None:
    lines = _drawn(measured("llm", "total"))
    marked = [line.split()[0] for line in lines if line.endswith("over budget")]
    assert marked == ["llm", "total"]


def test_outputs_that_know_ascii_only_get_nothing_else() -> None:
    assert "\n".join(_drawn(plain_letters=True)).isascii()


@given(
    shares=st.fixed_dictionaries({name: seconds for name in waterfall.STAGES}),
    saved=st.floats(0, 1),
    width=st.integers(5, 200),
)
def test_bars_stay_within_the_width_whatever_the_numbers(
    shares: dict[str, float], saved: float, width: int
) -> None:
    total = sum(shares.values()) * (1 - saved)
    saved *= sum(shares.values())
    fall = measured(**shares, saved=saved, total=total)
    for bar in waterfall.bars(fall, width):
        assert bar.start >= 0
        assert bar.start + bar.cells <= width
        assert bar.cells > 0 or bar.milliseconds == 0
        assert 0 <= bar.ahead <= bar.cells


def test_scripts_get_milliseconds() -> None:
    assert waterfall.as_json(measured("stt")) == {
        "endpointing_ms": 480.0,
        "stt_ms": 160.0,
        "llm_ms": 320.0,
        "tts_ms": 110.0,
        "gateway_ms": 4.0,
        "saved_ms": 262.0,
        "total_ms": 812.0,
        "overruns": ["stt"],
    }
