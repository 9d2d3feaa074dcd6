"""Options of a command that say when it is whose turn. Nothing heavy is imported here: ``--help`` shows them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from antiphon.cli import failures
from antiphon.cli.ranges import Range

PREDICTED = "predicted"
SILENCE = "silence"
PUSH_TO_TALK = "push-to-talk"


class BadTurns(failures.CommandError):
    """The options contradict each other; the message names them."""

    status = failures.USAGE


@dataclass(frozen=True, slots=True)
class Turns:
    """When it is whose turn; what is None is left to the gateway.

    Attributes:
        mode: how the end of the user's turn is found, one of the constants above. Where it is None, the options of a
            mode choose that mode.
        eagerness: ``low``, ``medium``, ``high`` or ``auto``.
        silence: seconds that end the turn.
        min_wait: seconds of silence after words that sound finished for sure.
        max_wait: seconds of silence after words that sound unfinished for sure.
        interrupt: what speech during an answer does: ``always``, ``speech``, ``words``, ``never`` or
            ``listen``.

    Raises:
        BadTurns: they contradict each other.
    """

    mode: str | None = None
    eagerness: str | None = None
    silence: float | None = None
    min_wait: float | None = None
    max_wait: float | None = None
    interrupt: str | None = None

    def __post_init__(self) -> None:
        options = (
            ("--silence", SILENCE, self.silence),
            ("--eagerness", PREDICTED, self.eagerness),
            ("--min-wait", PREDICTED, self.min_wait),
            ("--max-wait", PREDICTED, self.max_wait),
        )
        given = [(name, mode) for name, mode, value in options if value is not None]
        if self.mode is not None:
            chosen = [(f"--turn-taking {self.mode}", self.mode)]
        else:
            chosen = given[:1]
        for name, mode in given:
            if mode != chosen[0][1]:
                raise BadTurns(
                    f"{name} goes with --turn-taking {mode}, not with {chosen[0][0]}"
                )
        if (
            self.min_wait is not None
            and self.max_wait is not None
            and self.min_wait > self.max_wait
        ):
            raise BadTurns(
                f"--min-wait {self.min_wait:g} is longer than --max-wait {self.max_wait:g}"
            )
        if self.mode is None and chosen:
            object.__setattr__(self, "mode", chosen[0][1])


_OPTIONS = (
    click.option(
        "--turn-taking",
        type=click.Choice((PREDICTED, SILENCE, PUSH_TO_TALK)),
        help="What ends your turn: how likely you seem to be done, a fixed silence, or Enter (with a recording, its "
        "end). Default: the gateway's.",
    ),
    click.option(
        "--eagerness",
        type=click.Choice(("low", "medium", "high", "auto")),
        help="How soon to answer, where the end of your turn is predicted.",
    ),
    click.option(
        "--silence",
        type=Range(0.1, 5.0),
        metavar="SECONDS",
        help="How long a silence ends your turn; chooses --turn-taking silence.",
    ),
    click.option(
        "--min-wait",
        type=Range(0.1, 5.0),
        metavar="SECONDS",
        help="Predicted turns: silence after words that sound finished for sure.",
    ),
    click.option(
        "--max-wait",
        type=Range(0.1, 10.0),
        metavar="SECONDS",
        help="Predicted turns: silence after words that sound unfinished. Raise it for a speaker who pauses.",
    ),
    click.option(
        "--interrupt",
        type=click.Choice(("always", "speech", "words", "never", "listen")),
        help="What stops an answer: any voice, speech that is more than a mm-hmm, only what is understood, nothing; "
        "listen: nothing, and what is said is kept for the next answer.",
    ),
)


def turn_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets them as one argument, ``turns``."""

    @functools.wraps(command)
    def gathered(
        *arguments: Any,
        turn_taking: str | None,
        eagerness: str | None,
        silence: float | None,
        min_wait: float | None,
        max_wait: float | None,
        interrupt: str | None,
        **others: Any,
    ) -> None:
        with failures.Reported():
            turns = Turns(
                turn_taking, eagerness, silence, min_wait, max_wait, interrupt
            )
        command(*arguments, turns=turns, **others)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
