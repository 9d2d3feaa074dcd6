"""The waterfall's drawing."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from antiphon.cli import waterfall
from tests.fakes.gateway import waterfall as measured

seconds = st.floats(0, 30, allow_nan=False)


def _drawn(plain_letters: bool = False, *overruns: str) -> list[str]:
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(waterfall.render(measured(*overruns), "turn 1:", plain_letters))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_every_share_has_its_line_and_the_total_comes_last() -> None:
    lines = _drawn()
    assert lines[0] == "turn 1:"
    assert [(line.split()[0], line.split()[-2]) for line in lines[1:]] == [
        ("endpointing", "480"),
        ("stt", "160"),
        ("llm", "320"),
        ("tts", "110"),
        ("gateway", "4"),
        ("saved", "-262"),
        ("total", "812"),
    ]


def test_bars_begin_where_the_one_before_ended_and_are_in_proportion() -> None:
    drawn = {bar.name: bar for bar in waterfall.bars(measured(), width=1074)}
    assert (drawn["endpointing"].start, drawn["endpointing"].cells) == (0, 480)
    assert (drawn["stt"].start, drawn["stt"].cells) == (480, 160)
    assert (drawn["llm"].start, drawn["llm"].cells) == (640, 320)
    assert (drawn["saved"].start, drawn["saved"].cells) == (812, 262)
    assert (drawn["total"].start, drawn["total"].cells) == (0, 812)


def test_overruns_are_marked_and_nothing_else_is() -> None:
    lines = _drawn(False, "llm", "total")
    marked = [line.split()[0] for line in lines if line.endswith("over budget")]
    assert marked == ["llm", "total"]


def test_outputs_that_know_ascii_only_get_nothing_else() -> None:
    assert "\n".join(_drawn(True)).isascii()


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
