"""Reads a TOML file field by field, and says of a wrong one where it stands and what is allowed."""

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Self


class BadInput(ValueError):
    """What was given cannot be counted with; the message names the file and the field."""


class Table:
    """One table of a file.

    Args:
        path: of the file, for messages.
        name: of the table within it; empty: the whole.
        values: by field.
    """

    def __init__(self, path: Path, name: str, values: dict[str, object]) -> None:
        self._path = path
        self._name = name
        self._values = values
        self._known: dict[str, None] = {}

    @classmethod
    def load(cls, path: Path) -> Self:
        """The whole of a file.

        Raises:
            BadInput: it cannot be read.
        """
        try:
            return cls(path, "", tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{path} is no TOML: {error}") from None

    def wrong(self, field: str, why: str) -> BadInput:
        """What to raise about a field."""
        return BadInput(f"{self._path}: {self._at(field)} {why}")

    def text(self, field: str) -> str:
        """A text.

        Raises:
            BadInput: it is missing, or something else.
        """
        value = self._get(field, "a text")
        if not isinstance(value, str):
            raise self.wrong(field, f"is {value!r}, and has to be a text")
        return value

    def flag(self, field: str) -> bool:
        """True or false.

        Raises:
            BadInput: it is missing, or something else.
        """
        value = self._get(field, "true or false")
        if not isinstance(value, bool):
            raise self.wrong(field, f"is {value!r}, and has to be true or false")
        return value

    def number(
        self,
        field: str,
        least: float = 0.0,
        most: float = math.inf,
        above: float | None = None,
    ) -> float:
        """A number.

        Args:
            field: its name.
            least: the smallest that is allowed.
            most: the largest.
            above: instead of ``least``, what it has to be more than.

        Raises:
            BadInput: it is missing, no number, or out of range.
        """
        bound = f"{least:g} or more" if above is None else f"above {above:g}"
        allowed = f"a number {bound}" + (f", up to {most:g}" if most < math.inf else "")
        value = self._get(field, allowed)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or not (value >= least if above is None else value > above)
            or value > most
        ):
            raise self.wrong(field, f"is {value!r}, and has to be {allowed}")
        return float(value)

    def count(self, field: str, least: int) -> int:
        """A whole number.

        Raises:
            BadInput: it is missing, no whole number, or too small.
        """
        allowed = f"a whole number, {least} or more"
        value = self._get(field, allowed)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(field, f"is {value!r}, and has to be {allowed}")
        return value

    def table(self, field: str) -> "Table":
        """A table within.

        Raises:
            BadInput: it is missing, or something else.
        """
        value = self._get(field, f"a table, [{self._at(field)}]")
        if not isinstance(value, dict):
            raise self.wrong(field, f"has to be a table, [{self._at(field)}]")
        return Table(self._path, self._at(field), value)

    def tables(self) -> Iterator[tuple[str, "Table"]]:
        """All tables within, whatever they are called.

        Raises:
            BadInput: one is something else.
        """
        for field in self._values:
            yield field, self.table(field)

    def list(self, field: str) -> Iterator["Table"]:
        """A list of tables.

        Raises:
            BadInput: it is missing, or something else.
        """
        value = self._get(field, "a list of tables")
        if not isinstance(value, list):
            raise self.wrong(field, "has to be a list of tables")
        for number, each in enumerate(value):
            if not isinstance(each, dict):
                raise self.wrong(f"{field}[{number}]", "has to be a table")
            yield Table(self._path, self._at(f"{field}[{number}]"), each)

    def done(self) -> None:
        """Say that all there may be was asked for.

        Raises:
            BadInput: there is more.
        """
        for field in self._values:
            if field not in self._known:
                raise self.wrong(
                    field, f"is not known here; there are: {', '.join(self._known)}"
                )

    def _get(self, field: str, allowed: str) -> object:
        self._known[field] = None
        if field not in self._values:
            raise self.wrong(field, f"is missing; it is {allowed}")
        return self._values[field]

    def _at(self, field: str) -> str:
        return f"{self._name}.{field}" if self._name else field
