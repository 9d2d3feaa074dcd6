"""Shows what the supervisor does: a table while things load, and what the processes write."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from antiphon.supervisor import State

_COLOURS = ("magenta", "cyan", "blue", "green", "yellow")
_STATES = {
    State.WAITING: "dim",
    State.LOADING: "yellow",
    State.READY: "green",
    State.RESTARTING: "red",
    State.STOPPING: "yellow",
    State.STOPPED: "dim",
}
_KEPT_LINES = 200


@dataclass(slots=True)
class _Row:
    colour: str
    address: str
    state: State = State.WAITING
    detail: str = ""
    since: float = field(default_factory=time.monotonic)


class Board:
    """An observer for people. A table that changes in place on a terminal, a line for each change elsewhere.

    Attributes:
        show_lines: print what the processes write; else it is kept, and `last_lines` has it.
    """

    def __init__(
        self, console: Console, addresses: dict[str, str], show_lines: bool
    ) -> None:
        """A board with a row for each process.

        Args:
            console: to print on.
            addresses: by process.
            show_lines: print what the processes write.
        """
        self.show_lines = show_lines
        self.last_lines: deque[tuple[str, str]] = deque(maxlen=_KEPT_LINES)
        self._console = console
        self._rows = {
            name: _Row(_COLOURS[index % len(_COLOURS)], address)
            for index, (name, address) in enumerate(addresses.items())
        }
        self._width = max(len(name) for name in self._rows)
        self._live: Live | None = None

    def begin(self) -> None:
        """Show the table, where it can change in place."""
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=4,
                transient=False,
            )
            self._live.start()

    def end(self) -> None:
        """Leave the table as it is; further changes are lines."""
        if self._live:
            self._live.stop()
            self._live = None

    def changed(self, name: str, state: State, detail: str) -> None:
        """Show that a process is in another state."""
        row = self._rows[name]
        row.state, row.detail, row.since = state, detail, time.monotonic()
        if self._live is None:
            self._say(name, f"{state.value} {detail}".strip(), _STATES[state])

    def line(self, name: str, text: str) -> None:
        """Show a line of a process."""
        self.last_lines.append((name, text))
        if self.show_lines:
            self.print_line(name, text)

    def print_line(self, name: str, text: str) -> None:
        """Print a line, prefixed by whose it is."""
        prefix = Text(f"{name:<{self._width}} │ ", style=self._rows[name].colour)
        self._print(prefix + Text.from_ansi(text))

    def print_failure(self, name: str, lines: Sequence[str]) -> None:
        """Print what a process wrote last."""
        self._print(Text(f"The last lines of {name}:", style="bold red"))
        for text in lines:
            self.print_line(name, text)

    def _say(self, name: str, text: str, style: str) -> None:
        prefix = Text(f"{name:<{self._width}} ", style=self._rows[name].colour)
        self._print(prefix + Text(text, style=style))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)

    def _table(self) -> Group:
        grid = Table.grid(padding=(0, 2))
        for name, row in self._rows.items():
            detail = row.detail
            if row.state is State.LOADING:
                detail = f"{time.monotonic() - row.since:.0f} s"
            grid.add_row(
                Text(name, style=row.colour),
                Text(row.state.value, style=_STATES[row.state]),
                row.address,
                Text(detail, style="dim"),
            )
        return Group(grid)
