"""The gateway's end of `TextToSpeech`."""

import asyncio
from typing import TYPE_CHECKING

import grpc

from antiphon.v1.tts_pb2 import SynthesizeConfig, SynthesizeRequest, SynthesizeResponse
from gateway.conversation.events import (
    AudioSpoken,
    ClauseTaken,
    MarkSpoken,
    ReplySpoken,
)
from gateway.conversation.values import Ref, Stage
from gateway.stages.call import BidirectionalCall, Sink, Watch
from services.runtime.units import PCM_BYTES, to_seconds

if TYPE_CHECKING:
    from antiphon.v1.tts_pb2_grpc import TextToSpeechAsyncStub


class Speech(BidirectionalCall[SynthesizeRequest, SynthesizeResponse]):
    """One reply on its way through the voice.

    Args:
        stub: of the stage.
        config: how to speak; its format names a sample rate.
        ref: the revision that it works for.
        sink: takes audio and marks.
        room: set while the conversation has room for more audio; reading waits for it.
        timeout: seconds for the whole call.
        watch: looks on.
    """

    def __init__(
        self,
        stub: "TextToSpeechAsyncStub",
        config: SynthesizeConfig,
        ref: Ref,
        sink: Sink,
        room: asyncio.Event,
        timeout: float,
        watch: Watch,
    ) -> None:
        super().__init__(Stage.TTS, ref, sink, timeout, watch)
        self._stub = stub
        self._room = room
        self._bytes_per_second = config.format.sample_rate * PCM_BYTES
        self._outgoing.put(SynthesizeRequest(config=config))

    def speak(self, text: str) -> None:
        """The next piece of the reply."""
        self._outgoing.put(SynthesizeRequest(text=text))

    def finish(self) -> None:
        """The reply is complete."""
        self._outgoing.finish()

    def _open(
        self,
    ) -> "grpc.aio.StreamStreamCall[SynthesizeRequest, SynthesizeResponse]":
        return self._stub.Synthesize(
            timeout=self._time_left(), metadata=self._watch.metadata
        )

    async def _take(self, response: SynthesizeResponse) -> bool:
        await self._room.wait()
        match response.WhichOneof("message"):
            case "segment":
                if response.segment.spoken:
                    self._sink(ClauseTaken(self.ref, response.segment.end))
            case "audio":
                self._repeatable = False
                audio = response.audio
                seconds = len(audio.samples) / self._bytes_per_second
                self._sink(
                    AudioSpoken(
                        self.ref, to_seconds(audio.position), seconds, audio.samples
                    )
                )
            case "mark":
                self._repeatable = False
                self._sink(
                    MarkSpoken(
                        self.ref, response.mark.characters, to_seconds(response.mark.at)
                    )
                )
            case "summary":
                self._sink(ReplySpoken(self.ref))
                return True
        return False
