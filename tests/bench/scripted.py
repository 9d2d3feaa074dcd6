"""``python -m tests.bench.scripted``: scripted stages of zero delay as a process of their own.

Prints its address, and at SIGTERM how many RPCs it served.
"""

import asyncio
import signal

from tests.fakes.stages import Script, serving


async def main() -> None:
    script = Script(
        hear=lambda _conversation, _turn: "yes", write=lambda _request: ["Right."]
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serving(script) as address:
        print(address, flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
