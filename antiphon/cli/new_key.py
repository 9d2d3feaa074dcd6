"""``antiphon key new``."""

import json
from dataclasses import dataclass

import click

from antiphon.cli import failures
from antiphon.cli.failures import CommandError
from services.runtime.keys import hashed, new_key

LONGEST_NAME = 64


class BadName(CommandError):
    """A key cannot be named like this."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made.

    Attributes:
        key: for its holder.
        line: for the gateway's file of keys, without the key.
    """

    key: str
    line: str


def make(name: str) -> NewKey:
    """Make a key.

    Args:
        name: whose it is; logs say it.

    Raises:
        BadName: it is empty, too long, or more than a line.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadName(f"the name must be one line of 1 to {LONGEST_NAME} characters")
    key = new_key()
    # JSON is YAML, and quotes whatever a name may hold.
    quoted = json.dumps(name, ensure_ascii=False)
    return NewKey(key, f'- {{name: {quoted}, hash: "{hashed(key)}"}}')


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
    click.echo(
        f"The line for the file that ANTIPHON_GATEWAY_KEYS names:\n\n{made.line}\n\n"
        "The key is not stored anywhere: hand it on now. Clients send it as `Authorization: Bearer KEY`; "
        "`antiphon talk` takes it from ANTIPHON_API_KEY.",
        err=True,
    )
