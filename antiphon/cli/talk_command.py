"""``antiphon talk``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.cli import failures
from antiphon.cli.failures import run
from antiphon.cli.ranges import Range
from antiphon.cli.turns import Turns, turn_options
from antiphon.cli.whom import gateway_options

if TYPE_CHECKING:
    from antiphon.client import Address


@click.command()
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
    result = run(work)
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
