"""Fetches turns and shows them: drawn, as JSON, or as a page."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Protocol

import click
from rich.console import Console

from antiphon.cli import failures
from antiphon.cli.trace import terminal
from antiphon.cli.trace.choice import Choice, summary
from antiphon.cli.trace.document import Document, Turn
from antiphon.cli.trace.page import page
from antiphon.cli.trace.source import MOST_TURNS, Source


class Unwritable(failures.CommandError):
    """The page cannot be written; the message says why."""

    status: ClassVar[int] = failures.USAGE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown.

    Attributes:
        choice: which turns.
        last: how many of them at most.
        follow: go on with those that end later.
        page: file of the page that is written instead of drawing them.
        as_json: print them as the gateway has them.
    """

    choice: Choice
    last: int
    follow: bool
    page: Path | None
    as_json: bool


def show(source: Source, wanted: Wanted) -> bool:
    """Do it.

    Returns:
        Whether there were turns to show, or might have been: following has no end of its own.

    Raises:
        NobodyThere: nothing answers.
        NoGateway: it is no gateway that can be understood.
        Unwritable: the page cannot be written.
    """
    everything = wanted.choice.everything and not wanted.follow
    document = source.latest(wanted.last if everything else MOST_TURNS)
    turns = wanted.choice.of(document.turns)[-wanted.last :]
    console = Console(highlight=False, markup=False)
    if wanted.page is not None:
        if turns:
            _write(wanted.page, page(document.gateway, turns, datetime.now(UTC)))
            console.print(f"Saved {wanted.page}: {len(turns)} of the last turns")
    elif wanted.follow:
        view = _JsonLines() if wanted.as_json else _Drawings(console)
        _follow(source, wanted.choice, document.turns, turns, view)
        return True
    elif wanted.as_json:
        chosen = document.model_copy(update={"turns": turns})
        console.print_json(json.dumps(chosen.model_dump(mode="json")))
    elif turns:
        _Drawings(console).show(turns)
        letters = terminal.letters_for(console)
        summed = summary(turns)
        console.print(
            terminal.summary_drawing(summed, document.gateway, console.width, letters)
        )
    if not turns and not wanted.as_json:
        failures.say(_nothing(document))
    return bool(turns)


class _View(Protocol):
    def show(self, turns: Sequence[Turn]) -> None:
        """Show turns below those that are there."""


class _Drawings:
    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, turns: Sequence[Turn]) -> None:
        for drawing in terminal.drawings(turns, self._console):
            self._console.print(drawing)


class _JsonLines:
    def show(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            click.echo(json.dumps(turn.model_dump(mode="json")))


def _follow(
    source: Source,
    choice: Choice,
    known: Sequence[Turn],
    first: Sequence[Turn],
    view: _View,
) -> None:
    """Show turns as they end, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        view.show(first)
        for fresh in source.news(known):
            view.show(choice.of(fresh))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Unwritable(f"{path}: cannot be written: {reason}") from None


def _nothing(document: Document) -> str:
    if not document.turns:
        return (
            "No turns yet: talk to the gateway first, for example with `antiphon talk`."
        )
    return f"None of the last {len(document.turns)} turns is of that kind."
