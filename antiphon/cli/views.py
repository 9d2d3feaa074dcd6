"""How a conversation is shown while it goes on: live on a terminal, line by line elsewhere, or not at all."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from antiphon.cli import waterfall
from antiphon.cli.dialogue import Dialogue, Turn
from antiphon.client import Event
from antiphon.v1.conversation_pb2 import (
    PartialTranscript,
    ReplyAudio,
    ReplyInterrupted,
    TurnEnded,
    UserTranscript,
)


class View(Protocol):
    """Shows what happens; entered before the first event and left after the last."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        ...

    def show(self, dialogue: Dialogue, event: Event) -> None:
        """Show the dialogue after an event."""
        ...

    def note(self, message: str) -> None:
        """Say something beside the conversation."""
        ...


class QuietView:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def show(self, dialogue: Dialogue, event: Event) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""


class PlainView(QuietView):
    """A line for each thing that happens: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._heard = ""

    def show(self, dialogue: Dialogue, event: Event) -> None:
        """Print what is new."""
        match event:
            case PartialTranscript(text=text) if text != self._heard:
                self._heard = text
                self._line(f"hearing: {text}")
            case UserTranscript():
                self._line(_said(dialogue.turn(event.turn)))
            case ReplyInterrupted():
                self._line("(interrupted)")
            case TurnEnded():
                turn = dialogue.turn(event.turn)
                self._line(_answered(turn))
                _print_end(self._console, turn, event)

    def note(self, message: str) -> None:
        """Print it."""
        self._line(message)

    def _line(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class LiveView:
    """What is being said now stays at the bottom and changes in place; turns that ended scroll away above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, dialogue: Dialogue, event: Event) -> None:
        """Redraw what goes on; print what is over."""
        if isinstance(event, ReplyAudio):
            return
        lines = [
            Text(line, style=style)
            for turn in dialogue.turns
            if turn.ended is None
            for line, style in _lines(turn)
        ]
        if dialogue.partial:
            lines.append(Text(f"you: {dialogue.partial} …", style="dim"))
        # What is over leaves the moving part before it is printed above, or it would be seen twice.
        self._live.update(Group(*lines))
        if isinstance(event, TurnEnded):
            turn = dialogue.turn(event.turn)
            for line, style in _lines(turn):
                self._console.print(Text(line, style=style))
            _print_end(self._console, turn, event)
        self._live.refresh()

    def note(self, message: str) -> None:
        """Print it above."""
        self._console.print(Text(message, style="dim"))


def for_console(console: Console) -> View:
    """The view that suits the output."""
    return LiveView(console) if console.is_terminal else PlainView(console)


def _lines(turn: Turn) -> list[tuple[str, str]]:
    """What was said, with its style; of a turn that answers no speech only the answer."""
    said = [] if turn.said is None else [(_said(turn), "bold")]
    return [*said, (_answered(turn), "")]


def _said(turn: Turn) -> str:
    return f"you: {turn.said or '(nothing understood)'}"


def _answered(turn: Turn) -> str:
    # Models like blank lines; in a log each turn has one line.
    return f"antiphon: {' '.join(turn.answer.split())}"


def _print_end(console: Console, turn: Turn, ended: TurnEnded) -> None:
    if ended.HasField("error"):
        stage = ended.error.stage
        console.print(
            Text(
                f"turn {turn.number} failed in {stage}: {ended.error.message.removeprefix(f'{stage}: ')}",
                style="red",
            ),
            soft_wrap=True,
        )
    elif turn.outcome != "answered":
        console.print(Text(f"turn {turn.number}: {turn.outcome}", style="yellow"))
    if ended.HasField("waterfall"):
        plain_letters = not (console.encoding or "").lower().startswith("utf")
        title = f"turn {turn.number}, from the end of the speech to the first sound of the answer:"
        console.print(waterfall.render(ended.waterfall, title, plain_letters))
