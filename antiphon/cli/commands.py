"""The commands and their options. What they do is imported only when they do it, so that ``--help`` is quick."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.cli import failures
from antiphon.cli.failures import run
from antiphon.cli.new_key import key_group
from antiphon.cli.talk_command import talk
from antiphon.cli.trace.command import trace
from antiphon.cli.whom import gateway_options, key_option

if TYPE_CHECKING:
    from antiphon.client import Address

PROCESSES = ("llm-local", "stt", "llm", "tts", "gateway")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="antiphon", message="%(prog)s %(version)s")
def main() -> None:
    """Antiphon answers speech with speech.

    \b
    Start everything on this machine, then talk to it from another terminal:
      antiphon up
      antiphon talk                  with microphone and headphones
      antiphon talk question.wav     with a recording; the answer is saved as answer.wav

    \b
    See it work from beginning to end, with a recorded question:
      antiphon demo

    \b
    See where the time of the last turns went:
      antiphon trace
    """


main.add_command(talk)
main.add_command(trace)
main.add_command(key_group)


@main.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(PROCESSES),
    help="Start only this; repeatable.",
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(PROCESSES),
    help="Leave this out; repeatable.",
)
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    help="Least level that the processes log.",
)
def up(only: tuple[str, ...], without: tuple[str, ...], log_level: str | None) -> None:
    """Start everything on this machine and keep it running until Ctrl-C.

    Missing models are fetched first; another engine's by its process, while it loads. What dies or hangs is started
    again; what cannot start at all stops everything.
    Settings are environment variables, or the YAML file that ANTIPHON_CONFIG names; `python -m services.stt --help`
    lists those of one process.

    \b
    Examples:
      antiphon up
      antiphon up --without tts                        another machine speaks:
        ANTIPHON_GATEWAY_TTS=speaker:50053 antiphon up --without tts
      ANTIPHON_GATEWAY_PORT=6000 antiphon up           on another port
      ANTIPHON_STT_ENGINE=parakeet antiphon up         with another engine, in .venv-stt-parakeet if that
                                                       is there, or the Python that ANTIPHON_STT_PYTHON names
    """
    from rich.console import Console

    from antiphon.cli.pipeline import plan
    from antiphon.cli.up import fetch_missing, keep_up

    console = Console(highlight=False, markup=False)
    with failures.Reported():
        made = plan(only, without, log_level, for_people=console.is_terminal)
        for note in made.notes:
            click.echo(note)
        fetch_missing(made.models, click.echo)
    run(keep_up(made, console))


@main.command()
@click.argument(
    "recording",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("demo/answer.wav"),
    show_default=True,
    help="Where to save the spoken answer.",
)
@click.option(
    "--exit/--stay",
    "leave",
    default=None,
    envvar="DEMO_EXIT",
    show_envvar=True,
    help="Stop everything after the answer, or stay up. Default: stay on a terminal.",
)
@key_option
def demo(recording: Path | None, output: Path, leave: bool | None, key: str) -> None:
    """Start everything, speak a recorded question to it, show the answer and where the time went."""
    from antiphon.cli.demo import run_demo

    if leave is None:
        leave = not (sys.stdin.isatty() and sys.stdout.isatty())
    run(run_demo(recording, output, leave, key))


@main.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--list", "only_list", is_flag=True, help="Show what there is, fetch nothing."
)
@click.option(
    "--update",
    is_flag=True,
    help="Look up anew which commit a branch or tag on the Hub is.",
)
def fetch(names: tuple[str, ...], only_list: bool, update: bool) -> None:
    """Fetch models ahead, so that nothing is downloaded later: those of the CPU default, or only the named ones.

    A MODEL is a name that --list shows, or one on the Hugging Face Hub: OWNER/NAME, OWNER/NAME@REVISION, with :FILE
    behind it for one file. What is here already is not fetched again.

    \b
    Examples:
      antiphon fetch
      antiphon fetch nvidia/parakeet-tdt-0.6b-v3
      antiphon fetch Systran/faster-whisper-small.en@main --update
    """
    from antiphon.cli.fetching import fetch_models, list_models

    with failures.Reported():
        if only_list:
            list_models(click.echo)
        else:
            fetch_models(names, update, click.echo)


@main.command()
@gateway_options
def describe(gateway: "Address") -> None:
    """Show what a gateway can do: stages, models, voices, languages."""
    from rich.console import Console

    from antiphon.cli.description import describe_gateway, render

    console = Console(highlight=False, markup=False)
    console.print(render(run(describe_gateway(gateway))), soft_wrap=True)
