"""The gateway's end of `SpeechToText`."""

from typing import TYPE_CHECKING

import grpc

from antiphon.v1.audio_pb2 import AudioChunk, AudioFormat
from antiphon.v1.stage_pb2 import TurnRef
from antiphon.v1.stt_pb2 import (
    Checkpoint,
    TranscribeConfig,
    TranscribeRequest,
    TranscribeResponse,
)
from antiphon.v1.stt_pb2 import Transcript as TranscriptMessage
from gateway.conversation.events import CheckpointHeard, FinalHeard, PartialHeard
from gateway.conversation.values import Ref, Stage, Transcript, Word
from gateway.hearing.tape import BYTES_PER_SECOND, SAMPLE_RATE, Tape
from gateway.stages.call import BidirectionalCall, Sink, Watch
from services.runtime.units import to_seconds

if TYPE_CHECKING:
    from antiphon.v1.stt_pb2_grpc import SpeechToTextAsyncStub

_FRAME_BYTES = BYTES_PER_SECOND * 80 // 1000
"""Audio crosses in frames of 80 ms; less only where something waits for it."""


class Transcription(BidirectionalCall[TranscribeRequest, TranscribeResponse]):
    """One utterance on its way through the recognizer; through another one from its beginning, if that is gone.

    Args:
        stub: of the stage.
        turn: whom it belongs to.
        ref: the revision that it works for.
        sink: takes transcripts.
        tape: where the audio is.
        start: position on the tape where the utterance begins.
        language: BCP 47 tag; empty for the stage's default.
        hints: phrases that are likely to be said.
        interim: whether partials are wanted.
        timeout: seconds for the whole call.
        watch: looks on.
    """

    def __init__(
        self,
        stub: "SpeechToTextAsyncStub",
        turn: TurnRef,
        ref: Ref,
        sink: Sink,
        tape: Tape,
        start: float,
        language: str,
        hints: tuple[str, ...],
        interim: bool,
        timeout: float,
        watch: Watch,
    ) -> None:
        super().__init__(Stage.STT, ref, sink, timeout, watch)
        self._stub = stub
        self._tape = tape
        # What was forgotten already cannot be sent, and takes no time either.
        self._start = self._sent = max(start, tape.start)
        self._held = False
        self._over = False
        self._checkpoints: dict[int, int] = {}
        config = TranscribeConfig(
            turn=turn,
            format=AudioFormat(sample_rate=SAMPLE_RATE),
            language=language,
            interim_results=interim,
            hint_phrases=hints,
        )
        self._outgoing.put(TranscribeRequest(config=config))

    def feed(self) -> None:
        """Send what is new on the tape, in whole frames, unless it is held back or the utterance is over."""
        if not self._held and not self._over:
            self._send(whole_frames=True)

    def checkpoint(self, number: int) -> None:
        """Ask for a transcript up to here, and hold audio back from here."""
        self._send(whole_frames=False)
        self._held = True
        message = TranscribeRequest(checkpoint=Checkpoint(id=number))
        self._checkpoints[number] = self._outgoing.put(message)

    def resume(self) -> None:
        """The user goes on."""
        self._held = False
        self.feed()

    def finish(self) -> None:
        """The utterance is over; what is held back is silence and need not be sent."""
        if not self._held:
            self._send(whole_frames=False)
        self._over = True
        self._outgoing.finish()

    def _send(self, whole_frames: bool) -> None:
        samples = self._tape.read(self._sent)
        if whole_frames:
            samples = samples[: len(samples) - len(samples) % _FRAME_BYTES]
        for first in range(0, len(samples), BYTES_PER_SECOND):
            chunk = samples[first : first + BYTES_PER_SECOND]
            self._outgoing.put(TranscribeRequest(audio=AudioChunk(samples=chunk)))
        self._sent += len(samples) / BYTES_PER_SECOND

    def _open(
        self,
    ) -> "grpc.aio.StreamStreamCall[TranscribeRequest, TranscribeResponse]":
        return self._stub.Transcribe(
            timeout=self._time_left(), metadata=self._watch.metadata
        )

    async def _take(self, response: TranscribeResponse) -> bool:
        match response.WhichOneof("message"):
            case "partial":
                partial = response.partial
                self._sink(
                    PartialHeard(self.ref, partial.text, partial.stable_characters)
                )
            case "checkpointed":
                checkpointed = response.checkpointed
                asked = self._checkpoints.pop(checkpointed.id, None)
                if asked is not None:
                    self._outgoing.drop(asked)
                transcript = self._transcript(checkpointed.transcript)
                self._sink(CheckpointHeard(self.ref, checkpointed.id, transcript))
            case "final":
                self._sink(
                    FinalHeard(self.ref, self._transcript(response.final.transcript))
                )
                return True
        return False

    def _transcript(self, message: TranscriptMessage) -> Transcript:
        words = tuple(
            Word(
                word.text,
                self._start + to_seconds(word.start),
                self._start + to_seconds(word.end),
                word.confidence,
            )
            for word in message.words
        )
        return Transcript(message.text, words, message.language, message.confidence)
