"""A whole recording, transcribed: divided at its silences, a few pieces at a time, told in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from antiphon.v1.stage_pb2 import TurnRef
from gateway.conversation.events import FinalHeard
from gateway.conversation.values import Stage, Transcript
from gateway.hearing.pieces import LONGEST_PIECE, Divider, Piece
from gateway.hearing.tape import Tape
from gateway.hearing.voice import VoiceActivity
from gateway.stages.asking import NO_TURN, Dictation, asked
from gateway.stages.directory import Abilities, Stages
from services.runtime.errors import EngineError, Full
from services.runtime.units import to_seconds

_MOST_AT_ONCE = 4
"""Pieces of one recording that are transcribed at a time."""

_SHARE = 4
"""One recording takes a quarter of the streams that the recognizer carries: conversations are to find room."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What was said in one piece of a recording.

    Attributes:
        start: seconds from the recording's first sample.
        end: likewise.
        transcript: with the words' times on the recording's clock too.
    """

    start: float
    end: float
    transcript: Transcript


class Dictated:
    """One recording on its way through the recognizer.

    Args:
        stages: the recognizer is one of.
        abilities: what it said of itself.
        voice: tells where somebody speaks.
        language: BCP 47 tag; empty for the stage's default.
        hints: phrases that are likely to occur.
        patience: seconds to wait for a transcript, on top of its audio's length.
    """

    def __init__(
        self,
        stages: Stages,
        abilities: Abilities,
        voice: VoiceActivity,
        language: str,
        hints: tuple[str, ...],
        patience: float,
    ) -> None:
        self._stages = stages
        self._language = language
        self._hints = hints
        self._patience = patience
        self._heard_some = False
        can = abilities.stt
        longest = to_seconds(can.longest_utterance) if can else 0.0
        self._divider = Divider(voice, min(LONGEST_PIECE, longest or LONGEST_PIECE))
        streams = can.capacity.streams if can else 0
        self._at_once = max(1, min(_MOST_AT_ONCE, streams // _SHARE))

    @property
    def seconds(self) -> float:
        """Of the recording so far."""
        return self._divider.seconds

    async def passages(
        self, chunks: AsyncIterator[bytes]
    ) -> AsyncGenerator[Passage, None]:
        """What is said, in order; close the iterator, or its calls go on.

        Args:
            chunks: of the recording, 16-bit mono PCM at 16 kHz; not read faster than they are transcribed.

        Raises:
            AntiphonError: a piece could not be transcribed.
        """
        waiting: deque[asyncio.Task[Passage]] = deque()
        try:
            async with aclosing(self._pieces(chunks)) as pieces:
                async for piece in pieces:
                    while waiting and (
                        waiting[0].done() or len(waiting) >= self._at_once
                    ):
                        yield await waiting[0]
                        waiting.popleft()
                    waiting.append(asyncio.create_task(self._transcribe(piece)))
            while waiting:
                yield await waiting[0]
                waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _pieces(
        self, chunks: AsyncIterator[bytes]
    ) -> AsyncGenerator[Piece, None]:
        async for samples in chunks:
            for piece in await self._divider.push(samples):
                yield piece
        for piece in self._divider.finish():
            yield piece

    async def _transcribe(self, piece: Piece) -> Passage:
        """One piece; in the midst of a recording a full recognizer is waited for, or all of it would be for nothing."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._patience
        while True:
            try:
                passage = await self._ask(piece)
            except Full as full:
                if not self._heard_some or loop.time() + full.retry_after > give_up_at:
                    raise
                await asyncio.sleep(full.retry_after)
            else:
                self._heard_some = True
                return passage

    async def _ask(self, piece: Piece) -> Passage:
        tape = Tape()
        tape.append(piece.samples)
        patience = self._patience + piece.seconds
        async with asked(
            Stage.STT,
            lambda inbox, span: Dictation(
                stub=self._stages.stt,
                turn=TurnRef(),
                ref=NO_TURN,
                sink=inbox.put,
                tape=tape,
                start=0.0,
                language=self._language,
                interim=False,
                timeout=patience,
                hints=self._hints,
                watch=span,
            ),
        ) as (dictation, heard):
            dictation.feed()
            dictation.finish()
            while (event := await heard.next(patience)) is not None:
                if isinstance(event, FinalHeard):
                    return _moved(event.transcript, piece)
        raise EngineError("stt: the stream ended without a transcript")


def _moved(transcript: Transcript, piece: Piece) -> Passage:
    """A piece's transcript, on the recording's clock."""
    words = tuple(
        replace(word, start=piece.start + word.start, end=piece.start + word.end)
        for word in transcript.words
    )
    return Passage(
        piece.start, piece.start + piece.seconds, replace(transcript, words=words)
    )
