"""One utterance: its audio, what was transcribed of it, and when a transcript that is there already serves.

One rule decides about reuse, for partials, checkpoints and finals alike: *if nothing but silence followed the
snapshot that a transcript was made from, that transcript serves*, also while it is still being made.
"""

import asyncio
from dataclasses import dataclass

import numpy as np

from services.runtime.contract import check_samples
from services.runtime.errors import EngineError, InvalidArgument
from services.runtime.resample import Resampler
from services.runtime.units import PCM_BYTES
from services.stt.audio import Recording, to_float
from services.stt.engines import Memory, Transcript, Utterance
from services.stt.job import Dropped, Job, Work
from services.stt.scheduler import Scheduler
from services.stt.transcripts import Part, join


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How one utterance is transcribed.

    Attributes:
        sample_rate: of the audio that comes in, Hz.
        language: BCP 47 tag, or "auto".
        hint_phrases: phrases that are likely to occur.
        interim_results: whether the caller wants partials.
        partial_interval_seconds: new audio before the next partial.
        early_seconds: silence after speech at which an idle engine works ahead; 0: never.
        longest_utterance_seconds: audio above which more is refused.
        window_seconds: audio that is transcribed as one piece.
    """

    sample_rate: int
    language: str
    hint_phrases: tuple[str, ...]
    interim_results: bool
    partial_interval_seconds: float
    early_seconds: float
    longest_utterance_seconds: float
    window_seconds: float


@dataclass(slots=True)
class Decode:
    """A transcript of the utterance up to a snapshot, made or being made.

    Attributes:
        seconds: audio that it covers.
        position: end of the snapshot, in samples at the engine's rate.
        jobs: what it is made of, each with its start on the utterance's audio clock in seconds.
        checkpoint: id of the last checkpoint that it answers, or 0.
    """

    seconds: float = 0.0
    position: int = 0
    jobs: tuple[tuple[float, Job], ...] = ()
    checkpoint: int = 0

    @property
    def usable(self) -> bool:
        """Whether nothing of it failed or was dropped."""
        return all(job.usable for _, job in self.jobs)


class Session:
    """One utterance. Close it at the end, or its work goes on.

    Args:
        scheduler: who transcribes.
        options: how.
    """

    def __init__(self, scheduler: Scheduler, options: SessionOptions) -> None:
        can = scheduler.engine.capabilities
        self._scheduler = scheduler
        self._options = options
        self._resampler = Resampler(options.sample_rate, can.sample_rate)
        self._recording = Recording(can.sample_rate)
        self._window = round(
            min(options.window_seconds, can.window_seconds) * can.sample_rate
        )
        self._heard = 0
        self._ended = False
        self._news = asyncio.Event()
        self._jobs: list[Job] = []
        # Stretches that are transcribed for good, and where the one that still grows begins.
        self._settled: list[tuple[float, Job]] = []
        self._open = 0
        self._memory = Memory()
        self._last: Decode | None = None
        self._last_checkpoint = 0
        # The partial that nobody but the partials' reader needs yet.
        self._partial: Job | None = None

    @property
    def seconds(self) -> float:
        """Length of the audio so far."""
        return self._heard / self._options.sample_rate

    @property
    def queued(self) -> float:
        """Seconds that this utterance's work waited, summed."""
        return sum(job.queued for job in self._jobs)

    @property
    def computed(self) -> float:
        """Seconds that batches with this utterance took, summed."""
        return sum(job.computed for job in self._jobs)

    def hear(self, pcm: bytes) -> None:
        """The next samples of the utterance.

        Raises:
            InvalidArgument: half a sample, too long a chunk, or too long an utterance.
        """
        rate = self._options.sample_rate
        longest = self._options.longest_utterance_seconds
        count = len(pcm) // PCM_BYTES
        check_samples("audio.samples", pcm, rate)
        if self._heard + count > longest * rate:
            raise InvalidArgument(
                "audio.samples", "the utterance is too long", f"up to {longest:g} s"
            )
        self._heard += count
        self._recording.add(to_float(self._resampler.push(np.frombuffer(pcm, "<i2"))))
        while self._recording.end - self._open > self._window:
            self._settle()
        self._news.set()

    def checkpoint(self, number: int) -> Decode:
        """The transcript of all audio so far.

        Raises:
            InvalidArgument: the checkpoint's id does not rise.
        """
        if number <= self._last_checkpoint:
            raise InvalidArgument(
                "checkpoint.id",
                f"{number} does not rise",
                f"above {self._last_checkpoint}",
            )
        self._last_checkpoint = number
        decode = self._ask(Work.CHECKPOINT)
        decode.checkpoint = number
        return decode

    def finish(self) -> Decode:
        """The transcript of the whole utterance; no audio comes any more."""
        self._ended = True
        self._news.set()
        return self._ask(Work.FINAL)

    async def next_partial(self) -> tuple[Decode, Transcript] | None:
        """The next transcript that is made before anybody asks for it; None when the utterance has ended.

        It covers the audio up to the moment at which the engine got to it, so that one which had to wait is not out
        of date. Where the engine fails on it, it is left out.
        """
        while not self._ended:
            if not self._worth_a_partial():
                self._news.clear()
                await self._news.wait()
                continue
            decode, job = self._begin_partial()
            self._partial = job
            try:
                await job.result()
                transcript = await self.transcript(decode)
            except (Dropped, EngineError):
                continue
            finally:
                if self._partial is job:
                    self._partial = None
            if not self._ended:
                return decode, transcript
        return None

    async def transcript(self, decode: Decode) -> Transcript:
        """The transcript of a decode, on the utterance's audio clock.

        Raises:
            EngineError: the engine failed.
            Unavailable: the service is stopping.
        """
        parts = [Part(start, await job.result()) for start, job in decode.jobs]
        return join(parts, self._options.language)

    def close(self) -> None:
        """Drop all work for this utterance that is not done."""
        for job in self._jobs:
            job.cancel()

    def _ask(self, work: Work) -> Decode:
        last = self._last
        if last is not None and last.usable and self._serves(last):
            if self._partial is not None and not self._partial.started:
                self._partial.cancel()
            decode = last
        else:
            if self._partial is not None:
                self._partial.cancel()
            decode = Decode()
            utterance = self._take(decode)
            if len(utterance.samples):
                start = self._open / self._recording.rate
                job = self._submit(work, utterance)
                decode.jobs += ((start, job),)
        self._partial = None
        for _, job in decode.jobs:
            self._scheduler.promote(job)
        return decode

    def _serves(self, decode: Decode) -> bool:
        return decode.seconds == self.seconds or self._recording.only_silence_after(
            decode.position
        )

    def _worth_a_partial(self) -> bool:
        if self._last is not None and self._serves(self._last):
            return False
        return self._due() or self._pausing()

    def _due(self) -> bool:
        since = self._last.seconds if self._last else 0.0
        interval = self._options.partial_interval_seconds
        return self._options.interim_results and self.seconds - since >= interval

    def _pausing(self) -> bool:
        enough = self._options.early_seconds
        return (
            enough > 0
            and self._scheduler.idle
            and self._recording.quiet_seconds() >= enough
        )

    def _begin_partial(self) -> tuple[Decode, Job]:
        decode = Decode()

        def snapshot() -> Utterance:
            utterance = self._take(decode)
            decode.jobs += ((self._open / self._recording.rate, job),)
            return utterance

        job = self._scheduler.submit(Work.PARTIAL, snapshot)
        self._jobs.append(job)
        return decode, job

    def _submit(self, work: Work, utterance: Utterance) -> Job:
        job = self._scheduler.submit(work, lambda: utterance)
        self._jobs.append(job)
        return job

    def _take(self, decode: Decode) -> Utterance:
        """Let a decode cover all audio so far; what is not settled yet is the utterance to transcribe."""
        decode.seconds = self.seconds
        decode.position = self._recording.end
        decode.jobs = tuple(self._settled)
        self._last = decode
        return self._utterance(self._recording.end)

    def _settle(self) -> None:
        """Transcribe the beginning of what is open for good, up to the quietest point of its second half."""
        rate = self._recording.rate
        cut = self._recording.quietest(
            self._open + self._window // 2, self._open + self._window - rate // 2
        )
        # Nobody waits for it yet; `_ask` promotes it when somebody does.
        job = self._submit(Work.PARTIAL, self._utterance(cut))
        self._settled.append((self._open / rate, job))
        self._recording.forget(cut)
        self._open = cut
        self._memory = Memory()

    def _utterance(self, end: int) -> Utterance:
        return Utterance(
            self._recording.cut(self._open, end),
            self._options.language,
            self._options.hint_phrases,
            memory=self._memory,
        )
