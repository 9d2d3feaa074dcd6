"""``python -m tests.bench.capacity.hosted``: answers as soon as a hosted model, and costs next to nothing.

Prints its address, and runs until SIGTERM. A quarter of a second to the first token and some 800 tokens a second are what is
reported of Gemma on Cerebras; nobody here has measured it.
"""

import asyncio
import signal

from aiohttp import web

from tests.fakes.upstream import DONE, USAGE, chunk

FIRST_TOKEN = 0.25
PIECES_PER_SECOND = 200.0
"""Of four tokens each."""

_ANSWER = [
    "Well,",
    "that",
    "is",
    "a",
    "good",
    "question.",
    "It",
    "lies",
    "on",
    "the",
    "river",
    "Seine,",
    "and",
    "about",
    "two",
    "million",
    "people",
    "live",
    "there.",
    "Most",
    "visitors",
    "come",
    "in",
    "spring.",
]


async def complete(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(FIRST_TOKEN)
    for first in range(0, len(_ANSWER), 4):
        words = "".join(f"{word} " for word in _ANSWER[first : first + 4])
        await response.write(chunk(content=words))
        await asyncio.sleep(1 / PIECES_PER_SECOND)
    await response.write(chunk("stop") + USAGE + DONE)
    return response


async def models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": []})


async def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
