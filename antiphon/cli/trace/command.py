"""``antiphon trace``."""

import sys
from pathlib import Path

import click

from antiphon.cli import failures


@click.command()
@click.option(
    "--last",
    type=click.IntRange(1, 200),
    default=10,
    show_default=True,
    metavar="TURNS",
    help="How many turns, 200 at most: a gateway remembers no more.",
)
@click.option(
    "--conversation",
    metavar="ID",
    default="",
    help="Only this conversation's; the beginning of its id will do.",
)
@click.option(
    "--slow",
    is_flag=True,
    help="Only turns in which something took longer than its budget.",
)
@click.option(
    "--failed",
    is_flag=True,
    help="Only turns that failed; with --slow, turns that are either.",
)
@click.option(
    "--follow", is_flag=True, help="Go on with new turns as they end, until Ctrl-C."
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page that needs nothing beside itself, to be attached to a bug report.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the turns as the gateway has them; with --follow a line each.",
)
@click.option(
    "--at",
    metavar="HOST:PORT",
    help="Metrics port of the gateway. Default: that of this machine's settings, 127.0.0.1:9460 without any.",
)
def trace(
    last: int,
    conversation: str,
    slow: bool,
    failed: bool,
    follow: bool,
    page: Path | None,
    as_json: bool,
    at: str | None,
) -> None:
    """Show where the time of a gateway's last turns went, without any other software.

    Each turn is drawn from the end of the user's speech to the first sound of the answer, with what worked for it
    meanwhile: drafts that were given up too. What took longer than its budget is red. Nothing that was said is in it.

    \b
    Examples:
      antiphon trace
      antiphon trace --slow --failed --last 50        what went wrong of late
      antiphon trace --follow --conversation 7f3a91c2
      antiphon trace --html trace.html                for a bug report
      antiphon trace --json | jq '.turns[].total'

    \b
    Exit status:
      0  there were turns to show
      1  there were none, or what answers there is no gateway
      2  wrong usage, or a file that cannot be written
      3  nothing answers there
    """
    if page is not None and (follow or as_json):
        other = "--follow" if follow else "--json"
        raise click.UsageError(f"--html and {other} do not go together")

    from antiphon.cli.trace.choice import Choice
    from antiphon.cli.trace.showing import Wanted, show
    from antiphon.cli.trace.source import Source, usual_address

    with failures.Reported():
        source = Source(at or usual_address())
        choice = Choice(conversation, slow, failed)
        shown = show(source, Wanted(choice, last, follow, page, as_json))
    if not shown:
        sys.exit(failures.FAILED)
