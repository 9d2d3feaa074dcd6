"""Turns as a terminal shows them."""

import re
from datetime import UTC

import pytest
from rich.console import Console, RenderableType

from antiphon.cli.trace.choice import summary
from antiphon.cli.trace.terminal import (
    ASCII,
    BLOCKS,
    Letters,
    summary_drawing,
    turn_drawing,
)
from tests.fakes import turns


def _lines(drawing: RenderableType, width: int, colours: bool = False) -> list[str]:
    console = Console(
        width=width,
        color_system="standard" if colours else None,
        force_terminal=colours,
        no_color=False,
    )
    with console.capture() as capture:
        console.print(drawing)
    return [line.rstrip() for line in capture.get().splitlines()]


def _drawn(turn: turns.Turn, width: int = 100, letters: Letters = BLOCKS) -> list[str]:
    (read,) = turns.document(turn).turns
    return _lines(turn_drawing(read, width, letters, UTC), width)


def test_an_answer_that_was_made_ahead() -> None:
    assert _drawn(turns.ahead()) == [
        "2026-03-01 14:03:22  7f3a91c2 turn 1  answered  600 ms of 1.20 s  saved 400 ms",
        "  trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "  transcribe   ◂─────────░░░░░───────────────                                   100 ms",
        "  endpointing  ██████████████████████████████                                   600 ms",
        "  speculate              ────────────────────                                   400 ms  used",
        "    generate                  ░░░░░░░░░░─────────────────────────────────────▸  200 ms",
        "    synthesize                   ───────░░░░░────────────────────────────────▸  100 ms",
        "  playout                                    ────────────────────────────────▸  3.20 s",
        "  gateway                                                                         0 ms",
        "  total        ██████████████████████████████                               ┃   600 ms",
        "               0         200 ms    400 ms    600 ms    800 ms    1.00 s",
    ]


def test_drafts_that_were_given_up_and_a_share_that_overran() -> None:
    assert _drawn(turns.slow(), 80) == [
        "2026-03-01 14:03:22  7f3a91c2 turn 1  answered  1.75 s of 1.20 s  saved 102 ms",
        "over budget: llm, total",
        "  trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "  transcribe   ◂────────────────░░                          100 ms  2 tries",
        "  speculate    ◂                                            500 ms  resumed",
        "    generate   ◂                                            400 ms",
        "  speculate    ┄┄┄┄┄┄                                       350 ms  resumed",
        "    generate     ┄┄┄┄                                       250 ms",
        "    synthesize      ┄                                       100 ms",
        "  endpointing            █████████                          500 ms",
        "  generate                        ░█████████████┃█████───▸  1.10 s  350 ms over",
        "  synthesize                                          ███▸  150 ms",
        "  playout                                                ▸  2.50 s",
        "  gateway                                                █    2 ms",
        "  total                  ██████████████████████┃█████████   1.75 s  550 ms over",
        "                         0        500 ms   1.00 s   1.50 s",
    ]


def test_a_turn_that_failed_in_letters_that_every_output_knows() -> None:
    assert _drawn(turns.failed(), 80, ASCII) == [
        "2026-03-01 14:03:22  7f3a91c2 turn 1  failed in tts: UNAVAILABLE",
        "  transcribe   <####################                        1.60 s",
        "  endpointing  #####################                        600 ms",
        "  generate                          ####################    600 ms",
        "  synthesize                           #################    500 ms",
        "    UNAVAILABLE, 3 tries",
        "               0                500 ms           1.00 s",
    ]


def test_what_needs_more_than_a_narrow_terminal_gets_more_lines() -> None:
    assert _drawn(turns.slow(), 60) == [
        "2026-03-01 14:03:22  7f3a91c2 turn 1  answered",
        "1.75 s of 1.20 s  saved 102 ms  over budget: llm, total",
        "  trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "  transcribe   ◂──────────────░                       100 ms",
        "    2 tries",
        "  speculate    ◂                                      500 ms",
        "    resumed",
        "    generate   ◂                                      400 ms",
        "  speculate    ┄┄┄┄┄                                  350 ms",
        "    resumed",
        "    generate     ┄┄┄                                  250 ms",
        "    synthesize     ┄                                  100 ms",
        "  endpointing           ███████                       500 ms",
        "  generate                     ░███████████┃█████──▸  1.10 s",
        "    350 ms over",
        "  synthesize                                     ██▸  150 ms",
        "  playout                                          ▸  2.50 s",
        "  gateway                                          █    2 ms",
        "  total                 ██████████████████┃████████   1.75 s",
        "    550 ms over",
        "                        0      500 ms  1.00 s",
    ]


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 200])
@pytest.mark.parametrize("turn", [turns.ahead(), turns.slow(), turns.failed()])
def test_no_line_is_longer_than_the_terminal_is_wide(
    turn: turns.Turn, width: int
) -> None:
    (read,) = turns.document(turn).turns
    drawing = turn_drawing(read, width, BLOCKS, UTC)
    # Where nothing is folded, a line that is too long is seen.
    console = Console(width=1_000, color_system=None)
    with console.capture() as capture:
        console.print(drawing)
    assert max(len(line.rstrip()) for line in capture.get().splitlines()) <= width


def test_red_is_what_overran_and_dim_what_was_given_up() -> None:
    (read,) = turns.document(turns.slow()).turns
    lines = _lines(turn_drawing(read, 80, BLOCKS, UTC), 80, colours=True)
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    red = [
        line.split()[0]
        for line, styled in zip(plain, lines, strict=True)
        if re.search(r"\x1b\[(1;)?31m", styled)
    ]
    assert red == ["2026-03-01", "over", "generate", "total"]
    dim = [line.split()[0] for line in lines[3:-1] if line.startswith("\x1b[2m")]
    assert len(dim) == 5


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    evil = "\x1b]0;gone\x07"
    turn = turns.failed(
        conversation=evil, outcome=evil, failure={"stage": evil, "code": evil}
    )
    turn["spans"][0]["name"] = evil
    assert "\x1b" not in "".join(_drawn(turn))


def test_the_summary_says_what_turns_have_in_common() -> None:
    document = turns.document(turns.ahead(1), turns.slow(2), turns.failed(3))
    drawing = summary_drawing(summary(document.turns), document.gateway, 80)
    assert _lines(drawing, 80) == [
        "3 turns, 1 failed",
        "  within budget  1 of 2 (50%, meant to be 95%)",
        "  latency        p50 600 ms, p95 1.75 s",
        "  worst share    llm: over budget in 1 turn, at worst 1.10 s of 750 ms",
        "█ counts in the latency  ░ the same, ahead of the decision",
        "─ open, does not count  ┄ draft given up  ┃ budget",
    ]


def test_the_summary_of_turns_without_a_latency_says_how_many_there_are() -> None:
    document = turns.document(turns.bare())
    drawing = summary_drawing(summary(document.turns), document.gateway, 80)
    assert _lines(drawing, 80)[0] == "1 turn"
