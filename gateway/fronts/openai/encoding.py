"""Speech as the audio formats of OpenAI's clients, while it is still being spoken."""

import struct
from io import BytesIO
from typing import Protocol, cast

import av
import numpy as np
from av.audio.stream import AudioStream

from services.runtime.units import PCM_BYTES

SAMPLE_RATE = 24_000
"""Hz; what OpenAI's ``pcm`` means. Every format below takes it."""

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}

_UNKNOWN_LENGTH = 0xFFFFFFFF
"""What a WAV header says of a stream that has no end yet."""

_BIT_RATE = 64_000
"""Bits per second of what is compressed with loss: at 24 kHz nobody hears more."""

_MUXED = {
    # Without what a player would have to be told after the end: the count of frames, and a table of where they are.
    "mp3": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
    # A page each 100 ms. FFmpeg's own second would be heard.
    "opus": ("ogg", "libopus", {"page_duration": "100000"}),
    "aac": ("adts", "aac", {}),
    "flac": ("flac", "flac", {}),
}


class Encoder(Protocol):
    """Turns samples into a file, piece by piece."""

    def push(self, samples: bytes) -> bytes:
        """The next samples, 16-bit mono PCM at `SAMPLE_RATE`; returns what can be told of the file so far."""

    def finish(self) -> bytes:
        """Nothing follows; returns the rest of the file."""


def encoder(form: str) -> Encoder:
    """For one of `MEDIA_TYPES`."""
    match form:
        case "pcm":
            return _Raw(b"")
        case "wav":
            return _Raw(_wav_header())
        case _:
            return _Muxed(*_MUXED[form])


class _Raw:
    """Samples as they are, behind a header."""

    def __init__(self, header: bytes) -> None:
        self._header = header

    def push(self, samples: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + samples

    def finish(self) -> bytes:
        return self._header


class _Sink(BytesIO):
    """What FFmpeg writes to; it is not to go back in it."""

    def seekable(self) -> bool:
        return False

    def take(self) -> bytes:
        """What was written since."""
        written = self.getvalue()
        self.seek(0)
        self.truncate()
        return written


class _Muxed:
    """By FFmpeg."""

    def __init__(self, form: str, codec: str, options: dict[str, str]) -> None:
        self._sink = _Sink()
        # Every packet is written at once: a listener waits for it.
        options = options | {"flush_packets": "1"}
        self._container = av.open(self._sink, "w", format=form, options=options)
        self._stream = cast(
            AudioStream, self._container.add_stream(codec, rate=SAMPLE_RATE)
        )
        self._stream.layout = "mono"
        self._stream.bit_rate = _BIT_RATE
        # The encoder's own: libmp3lame and aac take no 16-bit samples.
        wanted = self._stream.codec_context.codec.audio_formats
        self._resampler = av.AudioResampler(
            format=wanted[0].name if wanted else "s16", layout="mono", rate=SAMPLE_RATE
        )
        self._position = 0

    def push(self, samples: bytes) -> bytes:
        pcm = np.frombuffer(samples, "<i2")
        if len(pcm):
            frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = self._position
            self._position += len(samples) // PCM_BYTES
            for part in self._resampler.resample(frame):
                self._container.mux(self._stream.encode(part))
        return self._sink.take()

    def finish(self) -> bytes:
        for part in self._resampler.resample(None) if self._position else ():
            self._container.mux(self._stream.encode(part))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()


def _wav_header() -> bytes:
    """RIFF, one channel of 16-bit PCM (multimedia programming interface and data specifications 1.0, 1991)."""
    block = PCM_BYTES
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, SAMPLE_RATE * block, block, 16)
    return b"".join(
        [
            b"RIFF" + struct.pack("<I", _UNKNOWN_LENGTH) + b"WAVE",
            b"fmt " + struct.pack("<I", len(form)) + form,
            b"data" + struct.pack("<I", _UNKNOWN_LENGTH),
        ]
    )
