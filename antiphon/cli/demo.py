"""``antiphon demo``: everything started, one recorded question answered, and what to try next."""

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Console

from antiphon.cli import audio
from antiphon.cli.board import Board
from antiphon.cli.failures import CommandError
from antiphon.cli.pipeline import Plan, plan
from antiphon.cli.session import Recording, talk_and_save
from antiphon.cli.turns import Turns
from antiphon.cli.up import check_ports, fetch_missing, running, starting_failure
from antiphon.cli.views import for_console
from antiphon.cli.wishes import Wishes
from antiphon.client import Address
from antiphon.supervisor import CannotStart, Supervisor

SPEECH = Path(__file__).parents[2] / "assets" / "jfk.wav"
"""In a checkout; an installed package has none."""
SILENCE_SECONDS = 1.5
LONGEST_ANSWER = 60
"""Tokens; the small model of the CPU default seldom ends by itself."""
_PATIENCE_SECONDS = 120.0


async def run_demo(recording: Path | None, output: Path, leave: bool, key: str) -> None:
    """Do it.

    Args:
        recording: the question; default: the one of the repository.
        output: where the answer is saved.
        leave: stop everything after the answer, else stay up until Ctrl-C.
        key: for the gateway, where the settings have it ask for one.

    Raises:
        CommandError: something failed; the message says what to do.
        AntiphonError: the conversation broke.
    """
    speech = recording or SPEECH
    if not speech.is_file():
        raise CommandError(
            f"{speech} is not here: name a recording, antiphon demo FILE"
        )
    audio.check_writable(output)
    console = Console(highlight=False, markup=False)
    made = plan(for_people=console.is_terminal)
    await check_ports(made)
    for note in made.notes:
        console.print(note)
    console.print("1. Models", style="bold")
    await asyncio.to_thread(fetch_missing, made.models, console.print)
    console.print("2. Processes", style="bold")
    board = Board(console, made.addresses, show_lines=False)
    try:
        async with running(made, board) as supervisor:
            if not await supervisor.ready():
                return
            board.end()
            question = Recording(speech, output, True, None, _PATIENCE_SECONDS)
            asking = _ask(console, board, made, question, key)
            await _unless_stopped(supervisor, asking)
            if leave:
                return
            _say_what_next(console, made, output)
            board.show_lines = True
            await supervisor.stopping()
    except CannotStart as failure:
        raise starting_failure(board, failure) from None


async def _ask(
    console: Console, board: Board, made: Plan, question: Recording, key: str
) -> None:
    console.print("3. A question, in real time", style="bold")
    console.print(
        f"   {question.path.name} is spoken now. Its speaker pauses for a second between phrases, so the demo waits for "
        f"{SILENCE_SECONDS:g} s of silence before it answers, which is over budget; by itself the gateway predicts when "
        f"a speaker is done. The small model's answer is cut after {LONGEST_ANSWER} tokens.",
        style="dim",
    )
    try:
        result = await talk_and_save(
            Address(made.addresses["gateway"], key),
            Wishes(turns=Turns(silence=SILENCE_SECONDS), max_tokens=LONGEST_ANSWER),
            for_console(console),
            question,
        )
    except Exception:
        _show_log(board)
        raise
    if not result["answered"]:
        _show_log(board)
        raise CommandError(_why(result))


def _show_log(board: Board) -> None:
    for name, text in board.last_lines:
        board.print_line(name, text)


def _why(result: dict[str, Any]) -> str:
    if not result["speech_heard"]:
        return (
            "No speech was heard in the recording. The lines above are what the processes wrote; run `antiphon up` "
            "in one terminal and `antiphon talk RECORDING` in another to look closer."
        )
    return (
        "There was no answer. The lines above are what the processes wrote; run `antiphon up --log-level debug` in "
        "one terminal and `antiphon talk RECORDING` in another to look closer."
    )


def _say_what_next(console: Console, made: Plan, output: Path) -> None:
    console.print(
        f"\nEverything stays up: {made.page} in a browser, or in another terminal:",
        style="bold green",
    )
    for command, what in (
        ("antiphon talk", "microphone and headphones"),
        ("antiphon talk YOUR.wav", "a recording of yours"),
        ("antiphon describe", "what stands behind the gateway"),
        ("antiphon trace", "where the time of the last turns went"),
    ):
        console.print(f"  .venv/bin/{command:<24} {what}")
    console.print(
        f"The answer is in {output}; gRPC is at {made.addresses['gateway']}. Ctrl-C stops everything.\n"
    )


async def _unless_stopped(supervisor: Supervisor, work: Any) -> None:
    """Do the work, unless everything is stopped meanwhile."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(supervisor.stopping())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        finished = working.done()
        working.cancel()
        await asyncio.wait({working, stopping})
    if not finished:
        raise CommandError("Stopped before the answer was there.")
    working.result()
