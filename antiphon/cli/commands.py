"""The commands and their options. What they do is imported only when they do it, so that ``--help`` is quick."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from antiphon.cli import failures
from antiphon.cli.new_key import key_group
from antiphon.cli.ranges import Range
from antiphon.cli.turns import Turns, turn_options
from antiphon.cli.whom import gateway_options, key_option

if TYPE_CHECKING:
    from antiphon.client import Address

_T = TypeVar("_T")

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
    """


main.add_command(key_group)


@main.command()
@click.argument(
    "recording",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@gateway_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("answer.wav"),
    show_default=True,
    help="Where to save the spoken answer: .wav, .flac or .ogg. Several answers follow each other.",
)
@click.option("--voice", help="A voice that `antiphon describe` lists.")
@click.option(
    "--voice-instructions",
    metavar="TEXT",
    help="How the voice speaks, or what it is like, if it can be told.",
)
@click.option(
    "--imitate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="3 to 30 seconds of a voice for the answers, if the voice can imitate.",
)
@click.option(
    "--imitate-says", metavar="TEXT", help="What is said in the file to imitate."
)
@click.option("--language", help="What you speak, as in en or de-CH, or auto.")
@click.option("--instructions", help="What the model is told before you speak.")
@click.option("--model", help="A model that `antiphon describe` lists.")
@turn_options
@click.option(
    "--greeting",
    metavar="TEXT",
    help="What Antiphon says first. A recording is sent after it.",
)
@click.option(
    "--idle",
    type=Range(1.0, 3600.0),
    metavar="SECONDS",
    help='After so much silence Antiphon asks, once: "Are you still there?"',
)
@click.option(
    "--speed",
    type=Range(0.5, 2.0),
    metavar="FACTOR",
    help="How fast the answer is spoken.",
)
@click.option(
    "--play/--no-play",
    default=None,
    help="Play the answer to a recording. Default: on a terminal.",
)
@click.option("--device", help="Sound device: number or part of its name.")
@click.option(
    "--timeout",
    type=Range(0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the gateway may keep silent after the recording has been sent.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for scripts."
)
def talk(
    recording: Path | None,
    gateway: "Address",
    output: Path,
    voice: str | None,
    voice_instructions: str | None,
    imitate: Path | None,
    imitate_says: str | None,
    language: str | None,
    instructions: str | None,
    model: str | None,
    turns: Turns,
    greeting: str | None,
    idle: float | None,
    speed: float | None,
    play: bool | None,
    device: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Talk to a gateway: with a RECORDING, or without one with microphone and speakers.

    A recording may be WAV, FLAC, OGG or MP3 of any rate, mono or stereo. It is sent as fast as it was spoken; what
    is understood and answered is shown as it comes, then where the time went. Without a recording wear headphones:
    there is no echo cancellation, and the answer would interrupt itself. While it is not clear yet whether you
    interrupt an answer, it is played quietly.

    \b
    Examples:
      antiphon talk question.wav
      antiphon talk question.flac --eagerness low -o reply.wav --no-play
      antiphon talk question.wav --json | jq -r .answer
      antiphon talk --instructions "You are a patient teacher of French." --max-wait 5
      antiphon talk --turn-taking push-to-talk --greeting "Hello. Press Enter when you are done."

    \b
    Exit status:
      0  answered
      1  a turn failed, or there was no answer
      2  wrong usage, or a wish that the gateway refuses
      3  the gateway cannot be reached
    """
    from rich.console import Console

    from antiphon.cli import audio, views
    from antiphon.cli.wishes import Wishes

    if imitate_says and imitate is None:
        raise click.UsageError("--imitate-says belongs to --imitate FILE")
    with failures.Reported():
        imitated = audio.read_speech(imitate, audio.REFERENCE_RATE) if imitate else None
    wishes = Wishes(
        voice,
        language,
        instructions,
        model,
        speed,
        turns=turns,
        greeting=greeting,
        idle=idle,
        voice_instructions=voice_instructions,
        imitate=imitated,
        imitate_says=imitate_says,
    )
    console = Console(highlight=False, markup=False)
    view = views.QuietView() if as_json else views.for_console(console)
    if recording is None:
        from antiphon.cli.session import talk_and_save_live

        work = talk_and_save_live(gateway, wishes, view, output, device)
    else:
        from antiphon.cli.session import Recording, talk_and_save

        heard = play if play is not None else console.is_terminal and not as_json
        question = Recording(recording, output, heard, device, timeout)
        work = talk_and_save(gateway, wishes, view, question)
    result = _run(work)
    if as_json:
        console.print_json(data=result, ensure_ascii=False)
    if error := result["broken"]:
        failures.say(error["message"])
        sys.exit(failures.status_of(error["code"]))
    if not result["answered"]:
        if not as_json:
            failures.say(
                "No answer." if result["speech_heard"] else "No speech was heard."
            )
        sys.exit(failures.FAILED)


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
    _run(keep_up(made, console))


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
    _run(run_demo(recording, output, leave, key))


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
    console.print(render(_run(describe_gateway(gateway))), soft_wrap=True)


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it; leaves with a message and the right status if it fails."""
    with failures.Reported():
        return asyncio.run(work)
