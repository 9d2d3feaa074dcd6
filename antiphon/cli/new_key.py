"""``antiphon key new``."""

import click

from antiphon.cli import failures
from antiphon.cli.failures import CommandError
from services.runtime import keys


class BadName(CommandError):
    """A key cannot be named like this."""


def make(name: str) -> keys.NewKey:
    """Make a key.

    Raises:
        BadName: it cannot be named like this.
    """
    try:
        return keys.make(name)
    except ValueError as error:
        raise BadName(str(error)) from None


@click.group("key")
def key_group() -> None:
    """API keys of a gateway."""


@key_group.command()
@click.argument("name")
def new(name: str) -> None:
    """Make a key for NAME, and the line by which a gateway knows it.

    The key itself goes to standard output, once: nothing keeps it. The line goes into the file that
    ANTIPHON_GATEWAY_KEYS names, with limits of its own if wanted (docs/access.md).
    """
    with failures.Reported():
        made = make(name)
    click.echo(made.key)
    click.echo(made.notice, err=True)
