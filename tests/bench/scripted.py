"""``python -m tests.bench.scripted [reply]``: scripted stages of zero delay, and a receiver of traces, as a process.

Prints their addresses, and runs until SIGTERM.
"""

import asyncio
import signal
import sys

from tests.fakes.otlp import receiving
from tests.fakes.stages import Script, serving


async def main() -> None:
    reply = sys.argv[1] if len(sys.argv) > 1 else "Right."
    script = Script(
        hear=lambda _conversation, _turn: "yes", write=lambda _request: [reply]
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serving(script) as address, receiving() as receiver:
        print(address, receiver.endpoint, flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
