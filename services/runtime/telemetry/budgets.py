"""Budgets of a turn and the objectives that they serve, from one file (``budgets.toml``, or another that is named)."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "ANTIPHON_BUDGETS"
"""Environment variable that names another file."""

DEFAULT_ROUTE = "default"
"""What metrics call the budgets of all routes that are not named."""

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

    def of(self, route: str) -> Mapping[str, float]:
        """The budgets of a turn that is answered by a route."""
        return self.routes.get(route, self.shares)


def load() -> Budgets:
    """The file that is in force."""
    document: dict[str, Any] = tomllib.loads(_path().read_text(encoding="utf-8"))
    shares = document["budgets"]
    routes = document.get("routes", {})
    return Budgets(
        shares,
        {name: {**shares, **differing} for name, differing in routes.items()},
        document["objectives"],
    )


def edges() -> frozenset[float]:
    """All budgets, in seconds."""
    budgets = load()
    every = [budgets.shares, *budgets.routes.values()]
    return frozenset(seconds for shares in every for seconds in shares.values())


def _path() -> Path:
    return Path(os.environ.get(VARIABLE) or _SHIPPED)
