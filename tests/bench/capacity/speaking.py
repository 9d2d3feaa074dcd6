"""Text to speech: people who hear one answer after the other, in real time."""

import asyncio
from itertools import cycle, islice
from typing import Any

from antiphon.v1 import tts_pb2
from antiphon.v1.tts_pb2_grpc import TextToSpeechStub
from services.runtime.channel import open_channel
from services.runtime.streams import read
from services.runtime.units import PCM_BYTES, to_seconds
from tests.bench.capacity.load import Load

WORDS_PER_SECOND = 40.0
"""At which a model writes; the small one on one core about as many, a hosted one several times as many."""

ANSWERS = (
    (
        "Well, the capital of France is Paris.",
        "It lies on the river Seine, and about two million people live there. Most visitors come in spring.",
    ),
    (
        "That depends,",
        "because bees make honey from nectar, and wax from glands on their own bodies. A hive can fill thirty jars in a good summer.",
    ),
    (
        "There are seven days in a week.",
        "The names of most of them come from the planets, or from the gods that the planets were named after.",
    ),
    (
        "I am fine, thank you.",
        "We talked about the sea, and about the light in the evening. Shall I look up when the sun goes down tomorrow?",
    ),
)
"""First clause, and the rest."""

ARRIVING = 8.0
"""Seconds; about as long as an answer."""


class Listeners:
    """People who listen to one voice.

    Args:
        address: of the stage.
    """

    def __init__(self, address: str) -> None:
        self._channel = open_channel(address)
        self._stub = TextToSpeechStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()

    async def claimed(self) -> int:
        described: Any = await self._stub.Describe(
            tts_pb2.TextToSpeechDescribeRequest()
        )
        return int(described.capacity.streams)

    async def person(self, index: int, load: Load) -> None:
        loop = asyncio.get_running_loop()
        for clause, rest in islice(cycle(ANSWERS), index % len(ANSWERS), None):
            if load.over:
                return
            played_out = loop.time() + 1.0
            with load.stream():
                played_out = await self._answer(clause, rest, load)
            await asyncio.sleep(played_out - loop.time())

    async def _answer(self, clause: str, rest: str, load: Load) -> float:
        """When it has been heard to its end, on the loop's clock."""
        loop = asyncio.get_running_loop()
        call: Any = self._stub.Synthesize(timeout=60)
        writing = asyncio.create_task(_write(call, clause, rest))
        asked = loop.time()
        rate = 0
        begun, length, behind = 0.0, 0.0, 0.0
        try:
            while (response := await read(call)) is not None:
                match response.WhichOneof("message"):
                    case "started":
                        rate = response.started.format.sample_rate
                    case "audio":
                        now, position = loop.time(), to_seconds(response.audio.position)
                        if not begun:
                            begun = now
                            load.waited(now - asked)
                        behind = max(behind, now - begun - position)
                        seconds = len(response.audio.samples) / PCM_BYTES / rate
                        length = position + seconds
        finally:
            call.cancel()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        if behind > 0:
            load.late()
        return begun + length


async def _write(call: Any, clause: str, rest: str) -> None:
    await call.write(tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig()))
    await call.write(tts_pb2.SynthesizeRequest(text=clause))
    for word in rest.split():
        await asyncio.sleep(1 / WORDS_PER_SECOND)
        await call.write(tts_pb2.SynthesizeRequest(text=f" {word}"))
    await call.done_writing()
