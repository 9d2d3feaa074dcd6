"""Whom a command talks to: the gateway's address, the key, and whether the way there is encrypted."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

KEY_VARIABLE = "ANTIPHON_API_KEY"

key_option = click.option(
    "--key",
    metavar="KEY",
    envvar=KEY_VARIABLE,
    show_envvar=True,
    default="",
    help="API key, where the gateway asks for one. The variable keeps it out of the list of processes.",
)

_OPTIONS = (
    click.option(
        "--gateway",
        metavar="HOST:PORT",
        envvar="ANTIPHON_GATEWAY",
        default="127.0.0.1:50050",
        show_default=True,
        show_envvar=True,
        help="Whom to talk to.",
    ),
    key_option,
    click.option(
        "--tls/--no-tls",
        default=False,
        envvar="ANTIPHON_TLS",
        show_envvar=True,
        help="Encrypt, and check the gateway's certificate.",
    ),
    click.option(
        "--ca",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        envvar="ANTIPHON_CA",
        show_envvar=True,
        help="PEM file of who signed that certificate; implies --tls. Default: whom gRPC trusts.",
    ),
)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets them as one argument, ``gateway``, an `antiphon.client.Address`."""

    @functools.wraps(command)
    def gathered(
        *arguments: Any,
        gateway: str,
        key: str,
        tls: bool,
        ca: Path | None,
        **others: Any,
    ) -> None:
        from antiphon.client import Address

        roots = ca.read_bytes() if ca else None
        address = Address(gateway, key, tls or ca is not None, roots)
        command(*arguments, gateway=address, **others)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
