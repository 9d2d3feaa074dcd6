"""A person at a real gateway who speaks through the official OpenAI SDK."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent

from services.runtime.resample import Resampler
from tests.e2e.talking import PATIENCE
from tests.microphone import RATE, Recording

FRAME = 0.04
"""Seconds of audio in an event."""

Hook = Callable[[RealtimeServerEvent], Awaitable[None]]


@dataclass
class Caller:
    """One connection of the SDK, with a microphone that is never switched off.

    Attributes:
        connection: of the SDK.
        rate: of the audio, both ways, in Hz.
        events: all that came.
    """

    connection: AsyncRealtimeConnection
    rate: int
    events: list[RealtimeServerEvent] = field(default_factory=list)
    _rest: bytes = b""

    def say(self, recording: Recording) -> None:
        """Speak into the microphone, behind what is being said."""
        resampler = Resampler(RATE, self.rate)
        samples = np.frombuffer(recording.samples, "<i2")
        whole = np.concatenate((resampler.push(samples), resampler.flush()))
        self._rest += whole.astype("<i2").tobytes()

    async def listen(self) -> None:
        """Send what the microphone hears, in real time."""
        size = 2 * round(self.rate * FRAME)
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            frame, self._rest = self._rest[:size].ljust(size, b"\0"), self._rest[size:]
            await self.connection.input_audio_buffer.append(
                audio=base64.b64encode(frame).decode()
            )
            due += FRAME
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def until(self, kind: str) -> Any:
        """Take what comes until an event of that kind does."""
        async with asyncio.timeout(PATIENCE):
            async for event in self.connection:
                self.events.append(event)
                if event.type == kind:
                    return event
                assert event.type != "error", event
        raise AssertionError(f"the connection ended before {kind!r}: {self.kinds()}")

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    def kinds(self) -> list[str]:
        """Kinds of events, runs of the same one once."""
        kinds = [event.type for event in self.events]
        return [k for i, k in enumerate(kinds) if i == 0 or kinds[i - 1] != k]

    def audio(self) -> bytes:
        deltas = self.of("response.output_audio.delta")
        return b"".join(base64.b64decode(event.delta) for event in deltas)


@asynccontextmanager
async def calling(
    http: str, session: dict[str, Any] | None = None, rate: int = 24_000, **how: Any
) -> AsyncIterator[Caller]:
    """Connect, configure the session, and switch the microphone on.

    Args:
        http: the gateway's address.
        session: to update it with.
        rate: of the audio, in Hz.
        how: for the SDK's ``connect``.
    """
    client = AsyncOpenAI(base_url=f"{http}/v1", api_key="none")
    async with client, client.realtime.connect(**how) as connection:
        caller = Caller(connection, rate)
        await caller.until("session.created")
        if session is not None:
            await connection.session.update(session={"type": "realtime", **session})
            await caller.until("session.updated")
        microphone = asyncio.create_task(caller.listen())
        try:
            yield caller
        finally:
            microphone.cancel()
            await asyncio.wait({microphone})
