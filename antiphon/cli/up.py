"""Running the CPU default's processes from a terminal."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console

from antiphon.cli.board import Board
from antiphon.cli.failures import CommandError
from antiphon.cli.parts import CONVERSATION_SERVICE
from antiphon.cli.pipeline import STOP_SECONDS, BadPlan, Plan, taken
from antiphon.supervisor import CannotStart, GrpcHealth, Supervisor
from services.runtime import models

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def fetch_missing(names: list[str], say: Callable[[str], None]) -> None:
    """Fetch those models of the catalogue that are not here yet.

    Raises:
        FailedPrecondition: one could not be had.
    """
    catalogue = models.catalogue()
    missing = [model for name in names if not (model := catalogue[name]).present]
    if not missing:
        say("all here")
    models.fetch(missing, say)


async def check_ports(made: Plan) -> None:
    """Make sure that nobody holds the ports that the processes will take.

    Raises:
        BadPlan: somebody does; the message says which and what to set.
    """
    held = taken(made.ports)
    if not held:
        return
    gateway = made.addresses.get("gateway")
    if gateway and await GrpcHealth(gateway, CONVERSATION_SERVICE).ready():
        raise BadPlan(
            f"an Antiphon is running already, at {gateway}. Talk to it with `antiphon talk`, or stop it first."
        )
    listed = "\n".join(
        f"  port {port.number} ({port.name}): stop what holds it, or set {port.variable}"
        for port in held
    )
    raise BadPlan(f"some ports are taken:\n{listed}")


@asynccontextmanager
async def running(made: Plan, board: Board) -> AsyncIterator[Supervisor]:
    """The processes of a plan, as long as the block runs. Ctrl-C and SIGTERM stop them; a second time, at once.

    Raises:
        CannotStart: one of them was hopeless. Raised when the block ends; the supervisor stops before that.
    """
    supervisor = Supervisor(made.specs, board, grace=STOP_SECONDS)
    loop = asyncio.get_running_loop()
    told = False

    def end() -> None:
        nonlocal told
        if told:
            supervisor.kill()
        else:
            told = True
            supervisor.stop()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end)
    board.begin()
    keeping = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        try:
            supervisor.stop()
            await keeping
        finally:
            board.end()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


async def keep_up(made: Plan, console: Console) -> None:
    """Run the processes until Ctrl-C.

    Raises:
        BadPlan: ports are taken.
        CommandError: a process was hopeless.
    """
    await check_ports(made)
    board = Board(console, made.addresses, show_lines=True)
    try:
        async with running(made, board) as supervisor:
            if await supervisor.ready():
                board.end()
                if "gateway" in made.addresses:
                    console.print(
                        f"Ready: {made.page} in a browser, or antiphon talk (gRPC at {made.addresses['gateway']}). "
                        "Ctrl-C stops everything.",
                        style="bold green",
                        highlight=False,
                    )
                await supervisor.stopping()
    except CannotStart as failure:
        raise starting_failure(board, failure) from None


def starting_failure(board: Board, failure: CannotStart) -> CommandError:
    """The error to report, after printing what the hopeless process wrote last."""
    board.print_failure(failure.name, failure.lines)
    return CommandError(f"{failure}; everything else was stopped")
