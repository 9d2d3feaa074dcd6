"""How a conversation is shown on a terminal and in a pipe."""

import io
import re

import pytest
from rich.console import Console

from antiphon.cli import views
from antiphon.cli.board import Board
from antiphon.cli.dialogue import Dialogue
from antiphon.client import Event
from antiphon.supervisor import State
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.audio_pb2 import AudioFormat
from antiphon.v1.stt_pb2 import Transcript
from services.runtime.units import to_duration
from tests.fakes.gateway import waterfall

TURN: list[Event] = [
    pb.SpeechStarted(),
    pb.PartialTranscript(text="Ask [not]"),
    pb.PartialTranscript(text="Ask [not]", stable_characters=3),
    pb.UserTranscript(turn=1, transcript=Transcript(text="Ask [not] what.")),
    pb.ReplyStarted(turn=1),
    pb.ReplyText(turn=1, text="As you "),
    pb.ReplyText(turn=1, text="\n\n[wish]."),
    pb.ReplyAudio(turn=1, samples=b"\0\0"),
    pb.TurnEnded(turn=1, outcome=pb.TURN_OUTCOME_ANSWERED, waterfall=waterfall("llm")),
    pb.ConversationEnded(),
]


def _console(terminal: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=100,
        force_terminal=terminal,
        markup=False,
        highlight=False,
    )


def _shown(console: Console, events: list[Event]) -> str:
    dialogue = Dialogue(
        pb.ConversationReady(output_format=AudioFormat(sample_rate=8_000))
    )
    with views.for_console(console) as view:
        for event in events:
            dialogue.apply(event)
            view.show(dialogue, event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_a_line_for_each_thing_and_no_control_codes() -> None:
    lines = _shown(_console(terminal=False), TURN).splitlines()
    assert lines[:3] == [
        "hearing: Ask [not]",
        "you: Ask [not] what.",
        "antiphon: As you [wish].",
    ]
    assert "\033" not in "".join(lines)
    assert sum(line.endswith("over budget") for line in lines) == 1


def test_a_terminal_sees_partials_and_the_answer_grow() -> None:
    shown = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", _shown(_console(terminal=True), TURN))
    grown = [
        "Ask [not] …",
        "you: Ask [not] what.",
        "As you ",
        "As you [wish].",
        "812 ms",
    ]
    places = [shown.index(text) for text in grown]
    assert places == sorted(places)


@pytest.mark.parametrize("terminal", [False, True])
def test_an_interrupted_turn_says_so(terminal: bool) -> None:
    events: list[Event] = [
        *TURN[:5],
        pb.ReplyInterrupted(turn=1, at=to_duration(0.1)),
        pb.TurnEnded(turn=1, outcome=pb.TURN_OUTCOME_INTERRUPTED),
    ]
    assert "interrupted" in _shown(_console(terminal), events)


@pytest.mark.parametrize("terminal", [False, True])
def test_what_the_assistant_says_first_has_no_question(terminal: bool) -> None:
    events: list[Event] = [
        pb.ReplyStarted(turn=1),
        pb.ReplyText(turn=1, text="Welcome."),
        pb.TurnEnded(turn=1, outcome=pb.TURN_OUTCOME_ANSWERED),
    ]
    shown = _shown(_console(terminal), events)
    assert "antiphon: Welcome." in shown
    assert "you:" not in shown


def test_the_board_tells_each_process_from_the_others() -> None:
    console = _console(terminal=False)
    board = Board(
        console, {"stt": "127.0.0.1:1", "gateway": "127.0.0.1:2"}, show_lines=True
    )
    board.changed("stt", State.READY, "after 1.5 s")
    board.line("gateway", "\033[32mserving\033[0m [info]")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "stt     ready after 1.5 s",
        "gateway │ serving [info]",
    ]


def test_a_quiet_board_keeps_the_lines_for_later() -> None:
    console = _console(terminal=False)
    board = Board(console, {"stt": "127.0.0.1:1"}, show_lines=False)
    board.line("stt", "loading")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""
    assert list(board.last_lines) == [("stt", "loading")]
