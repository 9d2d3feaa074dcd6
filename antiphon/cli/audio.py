"""Audio files in and out: any file that libsndfile reads becomes what a conversation takes."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from antiphon.cli.failures import USAGE, CommandError
from services.runtime.resample import Resampler
from services.runtime.units import PCM_BYTES

INPUT_RATE = 16_000
"""Samples a second that are sent to the gateway, in Hz."""
REFERENCE_RATE = 24_000
"""Of a voice to imitate, in Hz: a speech band's worth, and half a minute still fits into a message."""
FRAME_SECONDS = 0.04
"""Length of one message of audio."""

_FULL_SCALE = 32_768.0


class UnreadableAudio(CommandError):
    """A file is no audio that can be read, or cannot be written as asked; the message says why."""

    status = USAGE


def read_speech(path: Path, rate: int = INPUT_RATE) -> bytes:
    """A recording of any rate, format and number of channels as 16-bit mono PCM at ``rate``.

    Raises:
        UnreadableAudio: it cannot be read, or holds no sound.
    """
    try:
        samples, recorded = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UnreadableAudio(
            f"{path}: {error.error_string.rstrip('.')}; WAV, FLAC, OGG and MP3 can be read"
        ) from None
    except (OSError, soundfile.SoundFileError) as error:
        raise UnreadableAudio(f"{path}: {error}") from None
    if not len(samples):
        raise UnreadableAudio(f"{path}: holds no audio")
    return to_speech(samples, recorded, rate)


def to_speech(
    samples: npt.NDArray[np.float32], rate: int, wanted: int = INPUT_RATE
) -> bytes:
    """Values outside [-1, 1] are cut, channels are averaged, the rate becomes ``wanted``.

    Args:
        samples: ``float32 [samples, channels]``.
        rate: of the samples, in Hz.
        wanted: of the result, in Hz.

    Returns:
        16-bit little-endian mono PCM.
    """
    # Cut first: the sum of two channels of infinities would overflow.
    mono = np.clip(np.nan_to_num(samples), -1.0, 1.0).mean(axis=1)
    whole = np.clip(np.round(mono * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(
        np.int16
    )
    resampler = Resampler(rate, wanted)
    pcm: bytes = (
        np.concatenate((resampler.push(whole), resampler.flush()))
        .astype("<i2")
        .tobytes()
    )
    return pcm


def frames(pcm: bytes, seconds: float = FRAME_SECONDS) -> Iterator[bytes]:
    """The audio in messages of equal length; the last one may be shorter.

    Args:
        pcm: 16-bit mono at `INPUT_RATE`.
        seconds: length of a message.
    """
    size = round(seconds * INPUT_RATE) * PCM_BYTES
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


def duration(pcm: bytes, rate: int = INPUT_RATE) -> float:
    """Length of 16-bit mono audio in seconds."""
    return len(pcm) / PCM_BYTES / rate


def check_writable(path: Path) -> None:
    """Find out before a conversation whether its answer can be saved; makes its folder.

    Raises:
        UnreadableAudio: its ending names no format that can be written, or the file cannot be opened for writing.
    """
    # Headerless RAW has no subtype of its own, and says nothing of its rate.
    if _format(path) not in soundfile.available_formats().keys() - {"RAW"}:
        raise UnreadableAudio(f"{path}: name a .wav, .flac or .ogg file")
    try:
        # Where a file has the folder's name, "Not a directory" says more than mkdir's "File exists".
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        real = Path(os.path.realpath(path))
        new = not real.exists()
        # What an earlier conversation left stays until there is an answer to take its place.
        with real.open("ab"):
            pass
        if new:
            real.unlink()
    except OSError as error:
        raise _unsaved(path, error) from None


def write_speech(path: Path, pcm: bytes, rate: int) -> None:
    """Save 16-bit mono PCM in the format that the file's ending names, or leave no file.

    Raises:
        UnreadableAudio: it cannot be written there.
    """
    encoded = io.BytesIO()
    try:
        soundfile.write(encoded, np.frombuffer(pcm, "<i2"), rate, format=_format(path))
    except (soundfile.SoundFileError, ValueError) as error:
        raise UnreadableAudio(f"{path}: {error}") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.getvalue())
    except OSError as error:
        if path.is_file():
            Path(os.path.realpath(path)).unlink()
        raise _unsaved(path, error) from None


def _format(path: Path) -> str:
    """What libsndfile calls the format that a file's ending names."""
    return path.suffix.lstrip(".").upper()


def _unsaved(path: Path, error: OSError) -> UnreadableAudio:
    return UnreadableAudio(
        f"{path}: an answer cannot be saved there: {error.strerror or error}"
    )
