"""One Transcribe RPC: what comes in goes to the session, what the session makes of it goes out."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from antiphon.v1 import stage_pb2, stt_pb2
from services.runtime.errors import InvalidArgument
from services.runtime.streams import write
from services.runtime.units import to_duration
from services.stt.engines import Transcript
from services.stt.session import Decode, Session
from services.stt.transcripts import stable_characters

_MOST_WAITING = 8
"""Checkpoints taken before the first of them is answered; a caller that is further ahead is read more slowly."""


class Stream:
    """Everything after the config.

    Args:
        context: of the RPC.
        session: of the utterance; its owner closes it.
        engine: who transcribes.
    """

    def __init__(
        self,
        context: grpc.aio.ServicerContext[Any, Any],
        session: Session,
        engine: stage_pb2.EngineInfo,
    ) -> None:
        self._context = context
        self._session = session
        self._engine = engine
        self._writing = asyncio.Lock()
        self._asked: asyncio.Queue[tuple[int, Decode, float] | None] = asyncio.Queue(
            _MOST_WAITING
        )

    async def run(self, interim_results: bool) -> None:
        """Hear the utterance to its end and answer; cancelling this leaves nothing running.

        Raises:
            AntiphonError: what the caller is to be told.
        """
        with _first_error():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._answer_checkpoints())
                group.create_task(self._tell_partials(interim_results))
                await self._read()
                # Of a caller who vanishes gRPC tells this end first, and that nobody waits for a transcript right after.
                await asyncio.sleep(0)
                ended = time.perf_counter()
                final = self._session.finish()
                await self._asked.put(None)
            transcript = await self._session.transcript(final)
        await self._write(
            stt_pb2.TranscribeResponse(
                final=stt_pb2.FinalTranscript(
                    transcript=to_message(transcript),
                    audio=to_duration(self._session.seconds),
                    from_checkpoint=final.checkpoint,
                    timings=stage_pb2.StageTimings(
                        queued=to_duration(self._session.queued),
                        computed=to_duration(self._session.computed),
                        first_result=to_duration(time.perf_counter() - ended),
                    ),
                    engine=self._engine,
                )
            )
        )

    async def _read(self) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:
            match request.WhichOneof("message"):
                case "audio":
                    self._session.hear(request.audio.samples)
                case "checkpoint":
                    number = request.checkpoint.id
                    decode = self._session.checkpoint(number)
                    await self._asked.put((number, decode, self._session.seconds))
                case "config":
                    raise InvalidArgument(
                        "config", "is the first message, and only there"
                    )
                case _:
                    raise InvalidArgument("message", "is empty", "audio or checkpoint")

    async def _answer_checkpoints(self) -> None:
        while (asked := await self._asked.get()) is not None:
            number, decode, seconds = asked
            transcript = await self._session.transcript(decode)
            await self._write(
                stt_pb2.TranscribeResponse(
                    checkpointed=stt_pb2.Checkpointed(
                        id=number,
                        transcript=to_message(transcript),
                        audio_processed=to_duration(seconds),
                    )
                )
            )

    async def _tell_partials(self, interim_results: bool) -> None:
        previous = ""
        while (partial := await self._session.next_partial()) is not None:
            decode, transcript = partial
            if interim_results:
                await self._write(
                    stt_pb2.TranscribeResponse(
                        partial=stt_pb2.Partial(
                            text=transcript.text,
                            stable_characters=stable_characters(previous, transcript),
                            audio_processed=to_duration(decode.seconds),
                        )
                    )
                )
            previous = transcript.text

    async def _write(self, response: stt_pb2.TranscribeResponse) -> None:
        # gRPC takes one message at a time; while the caller is slow, no newer partial is even begun.
        async with self._writing:
            await write(self._context, response)


def to_message(transcript: Transcript) -> stt_pb2.Transcript:
    """A transcript as the contract says it."""
    return stt_pb2.Transcript(
        text=transcript.text,
        words=[
            stt_pb2.Word(
                text=word.text,
                start=to_duration(word.start),
                end=to_duration(word.end),
                confidence=word.confidence,
            )
            for word in transcript.words
        ],
        language=transcript.language,
        confidence=transcript.confidence,
    )


@contextmanager
def _first_error() -> Iterator[None]:
    """Out of a task group comes what went wrong, not the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaf: BaseException = group
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        raise leaf from None
