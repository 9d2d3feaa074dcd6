"""Recordings for tests, and a recognizer that tells where in one it heard a word."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import av
import numpy as np

from antiphon.v1 import stage_pb2, stt_pb2
from antiphon.v1.stt_pb2_grpc import (
    SpeechToTextServicer,
    add_SpeechToTextServicer_to_server,
)
from services.runtime.admission import Admission
from services.runtime.server import bind, create_server
from services.runtime.settings import ServiceSettings
from services.runtime.streams import read, write
from services.runtime.units import to_duration
from tests.fakes.hearing import RATE

_LOUD = 1000


def as_wav(samples: bytes) -> bytes:
    """16-bit mono PCM at 16 kHz as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples)
    return file.getvalue()


def as_file(samples: bytes, form: str, codec: str, rate: int = 48_000) -> bytes:
    """The same by FFmpeg, in any format."""
    file = io.BytesIO()
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "stereo"
        wanted = av.AudioResampler(
            format=stream.codec_context.codec.audio_formats[0].name,
            layout="stereo",
            rate=rate,
        )
        pcm = np.frombuffer(samples, "<i2")[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            for piece in wanted.resample(part):
                container.mux(stream.encode(piece))
        for piece in wanted.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


@dataclass
class TimingStt(SpeechToTextServicer):
    """Hears a word in each stretch of sound, ``sound.``, from its first loud sample to its last.

    Attributes:
        hints: whether it says that it takes hints.
        longest: seconds of an utterance, as it says.
        configs: every config received.
        lengths: seconds of each utterance received.
        metadata: of every call.
    """

    hints: bool = True
    longest: float = 300.0
    configs: list[stt_pb2.TranscribeConfig] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)

    async def Transcribe(self, _requests: object, context: object) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        first = await read(context)
        self.configs.append(first.config)
        heard = bytearray()
        while (request := await read(context)) is not None:
            heard += request.audio.samples
        samples = np.frombuffer(bytes(heard), "<i2")
        self.lengths.append(len(samples) / RATE)
        words = [
            stt_pb2.Word(
                text="sound.",
                start=to_duration(start / RATE),
                end=to_duration(end / RATE),
                confidence=0.5,
            )
            for start, end in _sounds(samples)
        ]
        text = " ".join(word.text for word in words)
        transcript = stt_pb2.Transcript(text=text, words=words, language="en")
        final = stt_pb2.FinalTranscript(transcript=transcript)
        await write(context, stt_pb2.TranscribeResponse(final=final))

    async def Describe(
        self, _request: object, _context: object
    ) -> stt_pb2.SpeechToTextDescribeResponse:
        return stt_pb2.SpeechToTextDescribeResponse(
            engine=stage_pb2.EngineInfo(engine="timing", model="stopwatch"),
            languages=["auto", "en", "de"],
            word_times=True,
            hint_phrases=self.hints,
            longest_utterance=to_duration(self.longest),
            capacity=stage_pb2.Capacity(streams=16),
        )


def _sounds(samples: "np.ndarray") -> list[tuple[int, int]]:
    """Where it is loud; silences of less than 0.1 s, as in any tone, are none."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _LOUD)
    if not len(loud):
        return []
    gaps = np.flatnonzero(np.diff(loud) > RATE // 10)
    starts = [loud[0], *loud[gaps + 1]]
    ends = [*loud[gaps], loud[-1]]
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


@asynccontextmanager
async def timing(stt: TimingStt) -> AsyncIterator[str]:
    """It, at an address."""
    settings = ServiceSettings(port=0, max_streams=100)
    server = create_server(settings, Admission(settings.max_streams))
    add_SpeechToTextServicer_to_server(stt, server)
    address = f"127.0.0.1:{bind(server, settings)}"
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)
