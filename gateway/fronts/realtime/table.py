"""What the Realtime front does with each event and each field of the protocol, for programs and for people.

``protocol.toml`` says it; tests hold it to the official SDK and to the tests that it names.
``python -m gateway.fronts.realtime.table docs/realtime.md`` puts it into the page.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path


class Does(Enum):
    """What becomes of an event or a field."""

    YES = "yes"
    REFUSED = "refused"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Row:
    """One event or field.

    Attributes:
        name: as the protocol has it; of a field, its path.
        does: what becomes of it.
        how: or why; empty where the protocol's own words are enough.
        test: shows it, as a path below ``tests/`` and a function; empty for what never happens.
    """

    name: str
    does: Does
    how: str = ""
    test: str = ""


Table = dict[str, tuple[Row, ...]]

PARTS = ("client", "server", "session", "response", "antiphon")
"""Client events, server events, fields of a session, fields of a response, events that only this server has."""

_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def load() -> Table:
    """All rows, by part.

    Raises:
        ValueError: the file does not say what a table says.
    """
    file = resources.files("gateway.fronts.realtime") / "protocol.toml"
    said = tomllib.loads(file.read_text())
    if tuple(said) != PARTS:
        raise ValueError(f"protocol.toml has the parts {tuple(said)}, not {PARTS}")
    return {
        part: tuple(
            Row(name, Does(row["does"]), row.get("how", ""), row.get("test", ""))
            for name, row in rows.items()
        )
        for part, rows in said.items()
    }


def to_markdown(rows: tuple[Row, ...]) -> str:
    """A table for people."""
    lines = ["| name | done | how, or why |", "|---|---|---|"]
    lines += [
        f"| `{row.name}` | {_SHOWN[row.does]} | {row.how.replace('|', chr(92) + '|')} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def filled_in(page: str) -> str:
    """A page with the tables at their places, between ``<!-- table: client -->`` and ``<!-- end -->``."""
    table = load()
    return _PLACE.sub(
        lambda place: place[1] + to_markdown(table[place[2]]) + place[3], page
    )


_SHOWN = {Does.YES: "yes", Does.REFUSED: "refused", Does.NEVER: "never sent"}

if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(filled_in(target.read_text()))
