"""A client that calls over WebRTC, by aiortc: a microphone, a loudspeaker and a data channel."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import aiohttp
import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from tests.fakes.hearing import RATE
from tests.fakes.running_realtime import Event, check

FRAME = RATE // 50


class Microphone(MediaStreamTrack):
    """Says what it is told to, and is silent else; a frame every 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._said = bytearray()
        self._frames = 0
        self._began = asyncio.get_running_loop().time()

    def say(self, samples: bytes) -> None:
        self._said += samples

    async def recv(self) -> av.AudioFrame:
        due = self._began + self._frames * 0.02
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        samples = bytes(self._said[: 2 * FRAME]).ljust(2 * FRAME, b"\0")
        del self._said[: 2 * FRAME]
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(samples, "<i2")[None], format="s16", layout="mono"
        )
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = self._frames * FRAME
        self._frames += 1
        return frame


@dataclass
class Caller:
    """Attributes: what a test may look at; ``heard`` is the loudness of each 20 ms that were played."""

    http: aiohttp.ClientSession
    url: str
    connection: RTCPeerConnection
    channel: RTCDataChannel
    microphone: Microphone
    got: list[Event] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    events: "asyncio.Queue[Event | None]" = field(default_factory=asyncio.Queue)
    location: str = ""
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def offer_text(self) -> str:
        """What is offered, the same however often it is asked for."""
        if self.connection.localDescription is None:
            offer = await self.connection.createOffer()
            await self.connection.setLocalDescription(offer)
        text: str = self.connection.localDescription.sdp
        return text

    async def offer(self, **request: object) -> str:
        """Call, with what the request is to have besides; returns the answer, which is not heeded."""
        plain = {
            "data": await self.offer_text(),
            "headers": {"Content-Type": "application/sdp"},
        }
        async with self.http.post(self.url, **(request or plain)) as response:
            answer = await response.text()
            assert response.status == 201, answer
            assert response.content_type == "application/sdp"
            self.location = response.headers["Location"]
        return answer

    async def dial(self, **request: object) -> None:
        """Call and connect."""
        answer = RTCSessionDescription(await self.offer(**request), "answer")
        await self.connection.setRemoteDescription(answer)

    def switch_off(self) -> None:
        """Send no sound any more, not even silence."""
        (sender,) = self.connection.getSenders()
        sender.replaceTrack(None)

    def send(self, type: str, **fields: object) -> None:
        self.channel.send(json.dumps({"type": type, **fields}))

    async def update(self, **session: object) -> Event:
        self.send("session.update", session={"type": "realtime", **session})
        updated: Event = (await self.until("session.updated"))["session"]
        return updated

    async def next(self) -> Event | None:
        event = await self.events.get()
        if event is not None:
            check(event)
            self.got.append(event)
        return event

    async def until(self, type: str) -> Event:
        while (event := await self.next()) is not None:
            if event["type"] == type:
                return event
        raise AssertionError(f"the channel closed before {type}: {self.types()}")

    async def closed(self) -> None:
        """Read until the channel is closed."""
        while await self.next() is not None:
            pass

    def types(self) -> list[str]:
        return [event["type"] for event in self.got]

    def one(self, type: str) -> Event:
        (event,) = [event for event in self.got if event["type"] == type]
        return event

    async def next_frame(self) -> None:
        """Wait until another 20 ms were played."""
        self._more.clear()
        await self._more.wait()

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                samples = (await track.recv()).to_ndarray().astype(float)
                self.heard.append(float(np.abs(samples).mean()))
                self._more.set()
        except MediaStreamError:
            return


@asynccontextmanager
async def calling(url: str, dial: bool = True, key: str = "") -> AsyncIterator[Caller]:
    """Somebody who calls the gateway at ``http://host:port``."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = Microphone()
    connection.addTrack(microphone)
    channel = connection.createDataChannel("oai-events")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    listening: list[asyncio.Task[None]] = []
    async with aiohttp.ClientSession(headers=headers) as http:
        caller = Caller(
            http, f"{url}/v1/realtime/calls", connection, channel, microphone
        )
        channel.on("message", lambda text: caller.events.put_nowait(json.loads(text)))
        channel.on("close", lambda: caller.events.put_nowait(None))

        @connection.on("track")
        def take(track: MediaStreamTrack) -> None:
            listening.append(asyncio.create_task(caller._listen(track)))

        try:
            async with asyncio.timeout(30):
                if dial:
                    await caller.dial()
                    await caller.until("session.created")
                yield caller
        finally:
            await connection.close()
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
