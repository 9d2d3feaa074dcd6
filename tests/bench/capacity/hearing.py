"""Speech to text: people who speak one sentence after the other, with checkpoints as the gateway sends them."""

import asyncio
from typing import Any

from antiphon.v1 import stt_pb2
from antiphon.v1.audio_pb2 import AudioChunk, AudioFormat
from antiphon.v1.stt_pb2_grpc import SpeechToTextStub
from services.runtime.channel import open_channel
from services.runtime.streams import read
from tests.bench.capacity.load import Load
from tests.bench.latency import recordings
from tests.microphone import RATE, Recording

FRAME = 0.08
"""Seconds of audio in a message, as the gateway sends it."""

PAUSE = 0.26
"""Seconds of silence at the checkpoint: voice activity takes 0.1 s to see that it is silent, the soft end is 0.16 s."""

HELD = 0.3
"""Seconds from there to the decision that the turn is over, in which nothing is sent (half of the turns: docs/benchmarks.md)."""

ARRIVING = 2.5
"""Seconds; about as long as a sentence."""


class Speakers:
    """People who speak to one recognizer.

    Args:
        address: of the stage.
    """

    def __init__(self, address: str) -> None:
        self._channel = open_channel(address)
        self._stub = SpeechToTextStub(self._channel)
        self._said = [_frames(each) for each in recordings()]

    async def close(self) -> None:
        await self._channel.close()

    async def claimed(self) -> int:
        described: Any = await self._stub.Describe(
            stt_pb2.SpeechToTextDescribeRequest()
        )
        return int(described.capacity.streams)

    async def person(self, index: int, load: Load) -> None:
        number = index
        while not load.over:
            with load.stream():
                await self._utterance(self._said[number % len(self._said)], load)
            number += 1

    async def _utterance(self, frames: list[bytes], load: Load) -> None:
        loop = asyncio.get_running_loop()
        call: Any = self._stub.Transcribe(timeout=60)
        config = stt_pb2.TranscribeConfig(
            format=AudioFormat(sample_rate=RATE), interim_results=True
        )
        # It writes nothing before the checkpoint that anybody waits for, but partials fill its buffers unless they are read.
        heard = asyncio.create_task(_until_checkpoint(call))
        try:
            await call.write(stt_pb2.TranscribeRequest(config=config))
            began = loop.time()
            for position, samples in enumerate(frames, start=1):
                await asyncio.sleep(began + position * FRAME - loop.time())
                await call.write(
                    stt_pb2.TranscribeRequest(audio=AudioChunk(samples=samples))
                )
            asked = loop.time()
            await call.write(
                stt_pb2.TranscribeRequest(checkpoint=stt_pb2.Checkpoint(id=1))
            )
            if not await heard:
                load.late()
            load.waited(loop.time() - asked)
            await asyncio.sleep(asked + HELD - loop.time())
            await call.done_writing()
            while await read(call) is not None:
                pass
        except asyncio.InvalidStateError:
            # What it was written to is gone; its status says why.
            await heard
            raise
        finally:
            call.cancel()
            heard.cancel()
            await asyncio.gather(heard, return_exceptions=True)


async def _until_checkpoint(call: Any) -> bool:
    """Whether its transcript has words."""
    while (response := await read(call)) is not None:
        if response.WhichOneof("message") == "checkpointed":
            return bool(response.checkpointed.transcript.text)
    return False


def _frames(said: Recording) -> list[bytes]:
    length = round((said.speech_end + PAUSE) * RATE) * 2
    samples = said.samples[:length].ljust(length, b"\0")
    step = round(FRAME * RATE) * 2
    return [samples[start : start + step] for start in range(0, length, step)]
