"""Budgets of a turn and the objectives that they serve, from one file (``budgets.toml``, or another that is named)."""

import os
import re
import reprlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.runtime.errors import FailedPrecondition

VARIABLE = "ANTIPHON_BUDGETS"
"""Environment variable that names another file."""

DEFAULT_ROUTE = "default"
"""What metrics call the budgets of all routes that are not named."""

MOST_ROUTES = 20
"""Each of their budgets is one more edge of every histogram of latency."""

SHARES = ("total", "endpointing", "stt", "llm", "tts", "gateway")
"""Of response latency, as the waterfall has them, and all of it."""

OBJECTIVES = ("within_budget", "answered")
"""Turns that are spoken within ``total``; turns that do not fail."""

LONGEST = 60.0
"""Seconds of a budget; where there are more, milliseconds were meant."""

LARGEST_FILE = 64 * 1024
"""Bytes; all routes with all of their budgets, and comments, are a few thousand."""

_SHIPPED = Path(__file__).with_name("budgets.toml")


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a turn may take.

    Attributes:
        shares: seconds by share of the waterfall, and ``total``.
        routes: by route of the language model's proxy, with all shares.
        objectives: by name, the share of turns that is meant to go well, between 0 and 1.
    """

    shares: Mapping[str, float]
    routes: Mapping[str, Mapping[str, float]]
    objectives: Mapping[str, float]

    @property
    def named(self) -> tuple[str, ...]:
        """All that `of` tells apart, the default first."""
        return (DEFAULT_ROUTE, *self.routes)

    def route(self, model: str) -> str:
        """By which name the budgets of a model go; the empty name is the proxy's default."""
        return model if model in self.routes else DEFAULT_ROUTE

    def of(self, model: str) -> Mapping[str, float]:
        """The budgets of a turn that a model answers, in seconds by share, and ``total``."""
        return self.routes.get(model, self.shares)


def load() -> Budgets:
    """The file that is in force.

    Raises:
        FailedPrecondition: it cannot be read, or says what it must not; the message names the file, each field that is
            wrong, and what is allowed.
    """
    path = os.environ.get(VARIABLE)
    return read(Path(path)) if path else read(_SHIPPED)


def read(path: Path) -> Budgets:
    """The budgets in a file.

    Raises:
        FailedPrecondition: as for `load`.
    """
    try:
        document = tomllib.loads(_text(path))
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, or a maze
        raise _refused(path, f"is no TOML: {error}") from None
    reading = _Reading(document)
    if reading.problems:
        raise _refused(path, "; ".join(reading.problems))
    return reading.budgets


def _text(path: Path) -> str:
    """What stands in a file that can be one of budgets: a pipe or a device might never end, and all processes read it."""
    if path.exists() and not path.is_file():
        raise _refused(path, "is no file")
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise _refused(path, f"is larger than {LARGEST_FILE} bytes")
    return content.decode()


def _refused(path: Path, problem: str) -> FailedPrecondition:
    return FailedPrecondition(f"{VARIABLE}={path}: {problem}")


def edges() -> frozenset[float]:
    """All budgets, in seconds: where histograms of latency have an edge.

    Those that are shipped, where the file in force cannot be read: the gateway says so when it starts, and a stage does
    its work without.
    """
    try:
        budgets = load()
    except FailedPrecondition:
        budgets = read(_SHIPPED)
    return frozenset(
        seconds for route in budgets.named for seconds in budgets.of(route).values()
    )


# --- the file ---------------------------------------------------------------------------------------------


class _Reading:
    """What a file says, and what is wrong with it."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.problems: list[str] = []
        self._only("", document, ("budgets", "routes", "objectives"))
        shares = self._numbers("budgets", document.get("budgets", {}), _SECONDS)
        routes = self._table("routes", document.get("routes", {}))
        if len(routes) > MOST_ROUTES:
            self.problems.append(
                f"routes has {len(routes)} tables; allowed: {MOST_ROUTES}"
            )
        if DEFAULT_ROUTE in routes:
            self.problems.append(
                f"routes.{DEFAULT_ROUTE} is not known; what holds for all routes stands in [budgets]"
            )
        self.budgets = Budgets(
            shares,
            {
                name: {
                    **shares,
                    **self._numbers(f"routes.{_key(name)}", table, _SECONDS, some=True),
                }
                for name, table in routes.items()
            },
            self._numbers("objectives", document.get("objectives", {}), _RATIOS),
        )

    def _numbers(
        self, where: str, value: object, wanted: "_Wanted", some: bool = False
    ) -> dict[str, float]:
        """The numbers of a table; ``some``: it need not have all of them."""
        table = self._table(where, value)
        self._only(f"{where}.", table, wanted.names)
        numbers = {}
        for name in wanted.names:
            number = table.get(name)
            if isinstance(number, int | float) and wanted.allows(number):
                numbers[name] = float(number)
            elif name in table:
                self.problems.append(
                    f"{where}.{name} is {reprlib.repr(number)}; allowed: {wanted.allowed}"
                )
            elif not some:
                self.problems.append(
                    f"{where}.{name} is missing; allowed: {wanted.allowed}"
                )
        return numbers

    def _table(self, where: str, value: object) -> Mapping[str, object]:
        if isinstance(value, dict):
            return value
        self.problems.append(f"{where} is {reprlib.repr(value)}; allowed: a table")
        return {}

    def _only(
        self, where: str, table: Mapping[str, object], known: tuple[str, ...]
    ) -> None:
        self.problems += [
            f"{where}{_key(name)} is not known; allowed: {', '.join(known)}"
            for name in table
            if name not in known
        ]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Numbers of one kind.

    Attributes:
        names: of them.
        most: of them, or where they end.
        open: ``most`` itself is too much.
        allowed: the same in words.
    """

    names: tuple[str, ...]
    most: float
    open: bool
    allowed: str

    def allows(self, number: float) -> bool:
        """Whether it is one; no truth value is, and neither is what is not a number."""
        if isinstance(number, bool):
            return False
        return 0 < number < self.most or (number == self.most and not self.open)


_SECONDS = _Wanted(SHARES, LONGEST, False, f"seconds above 0, up to {LONGEST:g}")
_RATIOS = _Wanted(OBJECTIVES, 1.0, True, "a share between 0 and 1")


def _key(name: str) -> str:
    """As it stands in the file."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else reprlib.repr(name)
