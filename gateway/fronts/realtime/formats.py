"""Audio as it crosses the wire, and as the gateway hears and speaks it.

G.711 is ITU-T Recommendation G.711 (11/88): tables 1 (A-law) and 2 (μ-law) say what each code sounds like; the encoder
takes the code that sounds nearest.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.fronts.realtime.errors import refused
from services.runtime.resample import Resampler
from services.runtime.units import PCM_BYTES

PCM, PCMU, PCMA = "audio/pcm", "audio/pcmu", "audio/pcma"

HEARING_RATE = 16_000
"""Hz that an `Inlet` gives."""

G711_RATE = 8_000
"""Hz."""

Codes = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class AudioFormatSpec:
    """How audio is laid out in one direction of a connection.

    Attributes:
        type: ``audio/pcm`` (16-bit little-endian mono), ``audio/pcmu`` or ``audio/pcma`` (G.711).
        rate: samples a second, in Hz; 8,000 for G.711.
    """

    type: str
    rate: int

    def to_wire(self) -> dict[str, str | int]:
        """As a session object has it; G.711 has no rate there."""
        if self.type == PCM:
            return {"type": PCM, "rate": self.rate}
        return {"type": self.type}


class Inlet:
    """Audio from the wire, as the gateway hears it. Keeps state from chunk to chunk, so that nothing clicks.

    Args:
        format: of what comes in.
    """

    def __init__(self, format: AudioFormatSpec) -> None:
        self.format = format
        self._sample = PCM_BYTES if format.type == PCM else 1
        self._resampler = Resampler(format.rate, HEARING_RATE)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The next bytes from the wire, a second at a time: nobody else is heard while one is worked on.

        Raises:
            WireError: half a sample; nothing is given then.
        """
        self._check(data)
        second = self.format.rate * self._sample
        for start in range(0, len(data), second):
            yield self.push(data[start : start + second])

    def push(self, data: bytes) -> bytes:
        """The next bytes from the wire; returns 16-bit PCM mono at `HEARING_RATE`.

        Raises:
            WireError: half a sample.
        """
        self._check(data)
        if self.format.type == PCM:
            samples = np.frombuffer(data, "<i2")
        else:
            samples = _DECODED[self.format.type][np.frombuffer(data, np.uint8)]
        return self._resampler.push(samples).astype("<i2", copy=False).tobytes()

    def _check(self, data: bytes) -> None:
        if len(data) % self._sample:
            raise refused("audio", f"has {len(data)} bytes", "whole 16-bit samples")


class Outlet:
    """Audio from the voice, as the wire wants it. The voice speaks at `rate`, so nothing is resampled here.

    Args:
        format: of what goes out.
    """

    def __init__(self, format: AudioFormatSpec) -> None:
        self.format = format
        self.rate = format.rate

    def push(self, pcm: bytes) -> bytes:
        """16-bit PCM mono at `rate`, in whole samples; returns bytes for the wire."""
        if self.format.type == PCM:
            return pcm
        samples = np.frombuffer(pcm, "<i2")
        return _ENCODED[self.format.type][samples.astype(np.int32) + 32_768].tobytes()


def _mu_law() -> Samples:
    """What each of the 256 codes sounds like: G.711 table 2, scaled to 16 bits."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = ((step << 3) + 0x84 << segment) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _a_law() -> Samples:
    """Likewise: G.711 table 1; even bits come inverted."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    half = (step << 4) + 8
    size = np.where(segment == 0, half, half + 0x100 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _nearest(decoded: Samples) -> Codes:
    """The code that sounds nearest to each of the 65,536 samples, which begin at -32,768."""
    # Stable, and read from behind: of two codes for silence the positive one is usual.
    order = np.argsort(decoded[::-1], kind="stable")
    codes, levels = 255 - order, decoded[::-1][order].astype(np.int32)
    codes, levels = codes[np.r_[True, np.diff(levels) > 0]], np.unique(levels)
    borders = (levels[1:] + levels[:-1]) / 2
    return codes[np.searchsorted(borders, np.arange(-32_768, 32_768), "right")].astype(
        np.uint8
    )


_DECODED = {PCMU: _mu_law(), PCMA: _a_law()}
_ENCODED = {type: _nearest(decoded) for type, decoded in _DECODED.items()}
