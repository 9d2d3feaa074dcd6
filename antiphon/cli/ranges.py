"""Numbers on the command line."""

import math
from typing import Any

import click


class Range(click.FloatRange):
    """A number between bounds, which NaN is not, although it is neither below nor above them."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; fails with a message that names the option."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a valid float.", param, ctx)
        return number
