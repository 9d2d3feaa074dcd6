"""Uploaded recordings as PCM, by FFmpeg, off the event loop and a little at a time."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from io import BytesIO

import av
from av.container import InputContainer

from gateway.fronts.openai.boxes import announces_too_much, is_mp4
from services.runtime.errors import InvalidArgument
from services.runtime.logs import get_logger
from services.runtime.units import PCM_BYTES

log = get_logger(__name__)

SAMPLE_RATE = 16_000
"""Hz; what hearing and speech to text work at."""

LONGEST_RECORDING = 4 * 3600.0
"""Seconds. A small file can hold days of silence."""

FORMATS = "wav, mp3, flac, ogg, opus, webm, m4a, mp4, aac"

_DEMUXERS = "wav,w64,aiff,mp3,flac,ogg,matroska,webm,aac"
"""Any other is refused: playlists, for one, would have FFmpeg open addresses that they name."""

_MP4 = "mov,mp4,m4a,3gp"
"""For files that say that they are it, and were looked at before."""

_RATES = range(4_000, 768_001)
"""Hz. A rate of 1 Hz, which a file may claim, makes an hour of 7 KB, and gigabytes of one frame."""

_CHUNK_BYTES = SAMPLE_RATE * PCM_BYTES * 5
"""What is handed on at a time: five seconds."""


class Decoder:
    """One file on its way to 16-bit mono PCM at `SAMPLE_RATE`. May be used by several threads, one after the other.

    Args:
        file: as it was uploaded.
    """

    def __init__(self, file: BytesIO) -> None:
        self._using = threading.Lock()
        self._chunks = _chunks(file)

    def next(self) -> bytes:
        """Some seconds more; empty at the end.

        Raises:
            InvalidArgument: that is no audio, or too much of it.
        """
        with self._using:
            return next(self._chunks, b"")

    def close(self) -> None:
        """Free what FFmpeg holds."""
        with self._using:
            self._chunks.close()


async def decoded(file: BytesIO, executor: Executor) -> AsyncGenerator[bytes, None]:
    """A file's audio, 16-bit mono PCM at `SAMPLE_RATE`.

    Raises:
        InvalidArgument: that is no audio, or too much of it.
    """
    loop = asyncio.get_running_loop()
    decoder = Decoder(file)
    try:
        while samples := await loop.run_in_executor(executor, decoder.next):
            yield samples
    finally:
        await loop.run_in_executor(executor, decoder.close)


def _chunks(file: BytesIO) -> Generator[bytes, None, None]:
    """All of a file's first audio stream, resampled, some seconds at a time."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    total, waiting = 0, bytearray()
    data = file.getvalue()
    mp4 = is_mp4(data)
    if mp4 and announces_too_much(data):
        raise _unreadable()
    options = {
        "format_whitelist": _MP4 if mp4 else _DEMUXERS,
        "protocol_whitelist": "none",
        # A list of edits may name the whole recording any number of times, and what is named twice would be heard twice.
        "advanced_editlist": "0",
    }
    try:
        with av.open(file, "r", options=options) as container:
            # What says so itself is not listened to for hours before it is refused.
            _check_length(_announced(container))
            for frame in _frames(container):
                if frame.sample_rate not in _RATES:
                    raise _unreadable()
                for part in resampler.resample(frame):
                    waiting += part.to_ndarray().tobytes()
                if len(waiting) >= _CHUNK_BYTES:
                    total += len(waiting)
                    _check_length(total)
                    yield bytes(waiting)
                    waiting.clear()
            if total or waiting:
                for part in resampler.resample(None):
                    waiting += part.to_ndarray().tobytes()
    except (av.FFmpegError, ValueError, IndexError) as error:
        log.info("an upload could not be decoded", reason=str(error))
        raise _unreadable() from None
    if not total and not waiting:
        raise _unreadable()
    if waiting:
        _check_length(total + len(waiting))
        yield bytes(waiting)


def _frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """What can be decoded; a packet that is damaged costs its own sound only, as in any player."""
    for packet in container.demux(container.streams.audio[0]):
        with suppress(av.InvalidDataError):
            yield from packet.decode()


def _announced(container: InputContainer) -> int:
    """Bytes that a file says it will become; 0 where it says nothing."""
    return (container.duration or 0) * SAMPLE_RATE * PCM_BYTES // av.time_base


def _check_length(size: int) -> None:
    seconds = size / PCM_BYTES / SAMPLE_RATE
    if seconds > LONGEST_RECORDING:
        raise InvalidArgument(
            "file", "is too long", f"{LONGEST_RECORDING / 3600:g} hours of audio"
        )


def _unreadable() -> InvalidArgument:
    return InvalidArgument("file", "holds no audio that can be read", FORMATS)
