"""Percentiles and tables."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table


def percentiles(
    seconds: Sequence[float], which: Sequence[int] = (50, 95)
) -> dict[str, float]:
    """In milliseconds, as ``p50`` and so on."""
    return {f"p{p}": round(float(np.percentile(seconds, p)) * 1000, 1) for p in which}


def table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """A table with a column for each key of the first row."""
    made = Table(title=title, title_justify="left")
    for name in rows[0]:
        made.add_column(
            name, justify="left" if isinstance(rows[0][name], str) else "right"
        )
    for row in rows:
        made.add_row(*(str(value) for value in row.values()))
    return made
