"""One reply: its text comes in while it is written, its audio and marks go out while they are spoken."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Span

from antiphon.v1 import audio_pb2, stage_pb2, tts_pb2
from services.runtime.errors import AntiphonError, InvalidArgument
from services.runtime.telemetry import metrics, names, tracing
from services.runtime.telemetry.trail import set_error
from services.runtime.units import to_duration
from services.tts.clauses import Clause, ClauseSplitter, Policy
from services.tts.config import Config
from services.tts.engines import Line, Piece
from services.tts.pcm import FrameStream
from services.tts.scheduler import Reply, Scheduler
from services.tts.speakable import Spoken, make_speakable

Send = Callable[[tts_pb2.SynthesizeResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows and wishes.

    Attributes:
        text_characters: in one message.
        reply_characters: in one reply.
        frame_seconds: of audio in one message.
        first: how long the first clause of a reply is.
        later: how long the others are.
    """

    text_characters: int
    reply_characters: int
    frame_seconds: float
    first: Policy
    later: Policy


class Session:
    """One reply. `hear` its text and `speak` it at the same time."""

    def __init__(
        self,
        scheduler: Scheduler,
        engine: stage_pb2.EngineInfo,
        config: Config,
        limits: Limits,
        send: Send,
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._config = config
        self._limits = limits
        self._send = send
        self._reply = Reply()
        self._splitter = ClauseSplitter(limits.first, limits.later)
        # Each with the time at which its text was complete, in ns since the epoch. Not bounded by itself: the text of a
        # whole reply is, and a caller may write all of it before reading a sample.
        self._clauses: asyncio.Queue[tuple[Clause, int] | None] = asyncio.Queue()
        self._spoken = 0
        self._heard = 0
        self._first_ready: float | None = None
        self._first_result = 0.0
        native = scheduler.capabilities.sample_rate
        frame = round(limits.frame_seconds * config.sample_rate)
        self._audio = FrameStream(native, config.sample_rate, frame)
        self._sequence = 0
        self._marks: deque[tuple[int, float]] = deque()
        self._marked = 0
        self._marked_at = 0.0

    def hear(self, request: tts_pb2.SynthesizeRequest) -> None:
        """Take the next message after the config.

        Raises:
            InvalidArgument: it is none that may come here.
            TooMuch: the message or the reply is too long.
        """
        kind = request.WhichOneof("message")
        if kind == "text":
            self._hear_text(request.text)
        elif kind == "flush":
            self._put(*self._splitter.flush())
        elif kind == "config":
            raise InvalidArgument("config", "came twice", "only as the first message")
        else:
            raise InvalidArgument("message", "is empty", ("text", "flush"))

    def hear_end(self) -> None:
        """Take it that no more text will come."""
        self._put(*self._splitter.flush())
        self._clauses.put_nowait(None)

    async def speak(self) -> None:
        """Send everything from `started` to `summary`.

        Raises:
            EngineError: the engine failed.
        """
        format_ = audio_pb2.AudioFormat(
            encoding=audio_pb2.AUDIO_ENCODING_PCM_S16LE,
            sample_rate=self._config.sample_rate,
        )
        started = tts_pb2.SynthesisStarted(
            format=format_, voice=self._config.delivery.voice
        )
        await self._send(tts_pb2.SynthesizeResponse(started=started))
        covered = 0
        while (coming := await self._clauses.get()) is not None:
            clause, complete = coming
            spoken = self._speakable(clause)
            if spoken.text:
                with self._clause_span(complete) as span:
                    await self._speak_clause(covered, clause, spoken, span)
                covered = clause.end
        await self._finish(covered)
        await self._send(tts_pb2.SynthesizeResponse(summary=self._summary()))

    def _hear_text(self, text: str) -> None:
        allowed = self._limits.text_characters
        if len(text) > allowed:
            raise InvalidArgument(
                "text", f"has {len(text)} characters", f"at most {allowed} a message"
            )
        self._heard += len(text)
        if self._heard > self._limits.reply_characters:
            raise InvalidArgument(
                "text",
                "the reply is too long",
                f"at most {self._limits.reply_characters} characters",
            )
        self._put(*self._splitter.push(text))

    def _put(self, *clauses: Clause) -> None:
        for clause in clauses:
            says_something = not clause.code and any(map(str.isalnum, clause.text))
            if self._first_ready is None and says_something:
                self._first_ready = time.monotonic()
            self._clauses.put_nowait((clause, time.time_ns()))

    def _speakable(self, clause: Clause) -> Spoken:
        if clause.code:
            return Spoken("", ())
        language = self._config.delivery.language
        return make_speakable(clause.text, clause.at_line_start, language)

    @contextmanager
    def _clause_span(self, complete: int) -> Iterator[Span]:
        """The span of the next clause, which those of the engine's work hang below."""
        number, began = self._spoken, self._audio.seconds_taken
        self._spoken += 1
        with tracing.tracer.start_as_current_span(
            names.CLAUSE_SPAN,
            attributes={names.CLAUSE: number},
            start_time=complete,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except AntiphonError as error:
                set_error(span, error)
                raise
            finally:
                seconds = self._audio.seconds_taken - began
                span.set_attribute(names.AUDIO_SECONDS, seconds)

    async def _speak_clause(
        self, start: int, clause: Clause, spoken: Spoken, span: Span
    ) -> None:
        """Say a clause; what could not be said of the text before it belongs to its segment."""
        await self._send_segment(start, clause.end, spoken.text)
        words = tuple((word.start, word.end) for word in spoken.words)
        ends = deque(clause.start + word.source_end for word in spoken.words)
        began = self._audio.seconds_taken
        saying = self._scheduler.say(
            self._reply, Line(spoken.text, words, self._config.delivery)
        )
        try:
            while (piece := await saying.next()) is not None:
                if self._audio.seconds_taken == began:
                    span.add_event(names.FIRST_AUDIO_EVENT)
                self._take(piece, began, ends)
                await self._send_frames(rest=False)
        finally:
            saying.close()
        self._mark(clause.end, self._audio.seconds_taken)
        await self._send_frames(rest=True)
        await self._send_marks(until=self._audio.seconds_given)

    def _take(self, piece: Piece, began: float, ends: deque[int]) -> None:
        for at in piece.word_ends:
            self._mark(ends.popleft(), began + at)
        self._audio.take(piece.samples)

    async def _finish(self, covered: int) -> None:
        """Send what is left: the filter's last samples, text with nothing to say, the last marks."""
        self._audio.finish()
        length = self._audio.seconds_held
        self._marks = deque((count, min(at, length)) for count, at in self._marks)
        if self._heard > covered:
            self._mark(self._heard, length)
            await self._send_segment(covered, self._heard, "")
        await self._send_frames(rest=True)
        await self._send_marks(until=length)

    async def _send_frames(self, rest: bool) -> None:
        while (frame := self._audio.frame(rest)) is not None:
            position, samples = frame
            await self._send_marks(until=self._audio.seconds_given)
            self._sequence += 1
            audio = tts_pb2.SynthesizedAudio(
                sequence=self._sequence, position=to_duration(position), samples=samples
            )
            await self._send(tts_pb2.SynthesizeResponse(audio=audio))
            self._scheduler.wrote(self._reply, self._audio.seconds_given - position)
            if self._sequence == 1 and self._first_ready is not None:
                self._first_result = time.monotonic() - self._first_ready
                metrics.FIRST_AUDIO.labels(self._engine.engine).observe(
                    self._first_result, tracing.exemplar()
                )

    def _mark(self, characters: int, at: float) -> None:
        """Note a mark to be sent before the audio that it speaks of; of two at the same time the later one counts."""
        if characters <= (self._marks[-1][0] if self._marks else self._marked):
            return
        if self._marks and at <= self._marks[-1][1]:
            at = self._marks.pop()[1]
        self._marks.append((characters, max(at, self._marked_at)))

    async def _send_marks(self, until: float) -> None:
        while self._marks and self._marks[0][1] <= until:
            self._marked, self._marked_at = self._marks.popleft()
            mark = tts_pb2.Mark(
                characters=self._marked, at=to_duration(self._marked_at)
            )
            await self._send(tts_pb2.SynthesizeResponse(mark=mark))

    async def _send_segment(self, start: int, end: int, spoken: str) -> None:
        segment = tts_pb2.Segment(start=start, end=end, spoken=spoken)
        await self._send(tts_pb2.SynthesizeResponse(segment=segment))

    def _summary(self) -> tts_pb2.SynthesisSummary:
        return tts_pb2.SynthesisSummary(
            audio=to_duration(self._audio.seconds_given),
            characters=self._heard,
            timings=stage_pb2.StageTimings(
                queued=to_duration(self._reply.queued),
                computed=to_duration(self._reply.computed),
                first_result=to_duration(self._first_result),
            ),
            engine=self._engine,
        )
